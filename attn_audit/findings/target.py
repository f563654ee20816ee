"""What an audit explains, as sentences have it: the prediction, or the label that was named."""

TARGET = "{target}"
"""Stands in sentences for it."""


def naming_target(sentence: str, label: str | None) -> str:
    """A sentence as it reads of what is explained.

    Args:
        label: That is explained, whatever is predicted; None: what is predicted.

    Example:
        >>> naming_target("it speaks against {target}", None)
        'it speaks against the prediction'
        >>> naming_target("it speaks against {target}", "joy")
        'it speaks against the label “joy”'
    """
    return sentence.replace(TARGET, "the prediction" if label is None else f"the label “{label}”")
