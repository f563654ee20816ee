"""A few texts to try a model out on, where there is no data."""

from collections.abc import Sequence

from attn_audit.data.example import Example

_TEXTS = (
    "A warm , funny and beautifully acted film .",
    "The plot makes no sense , and the jokes are older than the actors who tell them .",
    "It rains .",
    "Whoever wrote this report read none of the figures in it .",
)


def or_probes(examples: Sequence[Example], as_pairs: bool = False) -> Sequence[Example]:
    """The examples, or built-in ones of different lengths where there are none.

    Args:
        examples: Of the data.
        as_pairs: Whether the built-in ones have a second text.
    """
    return examples or [
        Example(id=f"probe-{i}", text=text, text_pair=_TEXTS[i - 1] if as_pairs else None)
        for i, text in enumerate(_TEXTS)
    ]
