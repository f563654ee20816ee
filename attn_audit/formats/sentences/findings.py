"""What trying a model out showed of its attention, in words."""

from attn_audit.formats.numbers import percent, scientific
from attn_audit.results.description import Findings

REPLAYS = {
    "row": "only the row that is read out is computed again",
    "cache": "only the last token is computed again, beside what the others left",
    "resume": "only what lies behind the attention is computed again",
    "full": "the whole model is computed again",
}
"""How the output under other attention is got."""


def in_short(findings: Findings) -> str:
    """All of it on a line or two.

    Args:
        findings: Of a model that was tried out.
    """
    return (
        f"replay {findings.replay}, {_error(findings)}; "
        f"{special_share(findings)}; masking {masking(findings)}"
    )


def replay(findings: Findings) -> str:
    """How the output under other attention is got, and how exact that was found to be.

    Args:
        findings: Of a model that was tried out.
    """
    how = REPLAYS[findings.replay]
    return f"{findings.replay}: {how} ({_error(findings)})"


def _error(findings: Findings) -> str:
    if findings.replay_error == 0:
        return "exactly as a full pass"
    return f"off a full pass by {scientific(findings.replay_error)} of the effect at most"


def special_share(findings: Findings) -> str:
    """How much of the readout's attention lies where no check can move it.

    Args:
        findings: Of a model that was tried out.
    """
    share = percent(findings.special_share)
    return f"{share} of the readout's attention lies elsewhere: special tokens and the like"


def columns(findings: Findings) -> str:
    """Whether it was seen whose weight is whose.

    Args:
        findings: Of a module of a user's own.
    """
    if findings.places_are_told:
        return "each token's own: changing it moves that weight most"
    return "taken in the text's order, the only one that fits: no trial could tell"


TOGETHER = {
    "texts": "texts share batches: each was found to be in them what it is alone",
    "variants": "one text at a time, its variants together",
    "nothing": "one text at a time, and of its variants one after the other",
}
"""What is computed in one pass."""


def batching(findings: Findings) -> str:
    """What is computed together, and why not more.

    Args:
        findings: Of a model that was tried out.
    """
    reason = findings.not_shared_because
    return TOGETHER[findings.sharing] + (f", since in a batch {reason}" if reason else "")


def masking(findings: Findings) -> str:
    """Whether a masked token is out of the model's sight.

    Args:
        findings: Of a model that was tried out.
    """
    if findings.masking_leaks is None:
        return "impossible: the model takes no attention mask"
    if findings.masking_leaks:
        return "leaks: a masked token still moves the output"
    return "exact: a masked token has no influence"


def removal(findings: Findings) -> str:
    """How leave-one-out leaves a unit out.

    Args:
        findings: Of a model that was tried out.
    """
    return "by attention mask" if findings.removal == "mask" else "by deletion"
