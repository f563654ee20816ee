"""The audited mass in words: what the permutation and the adversary could move at all."""

from attn_audit.formats.numbers import mean, mean_percent, number
from attn_audit.results.summary import Distribution
from attn_audit.results.thresholds import ALL_MASS


def in_short(audited: Distribution) -> tuple[str, ...]:
    """How much could be moved, in a short line; none where it is all.

    Args:
        audited: Share of attention on the audited units, over the examples measured.
    """
    if audited.minimum is None or audited.minimum >= ALL_MASS:
        return ()
    return (f"only {mean_percent(audited)} of the attention could be moved",)


def sentence(audited: Distribution) -> str:
    """How much of the attention lies on the audited units; very short where it is all.

    Args:
        audited: Share of attention on the audited units, over the examples measured.
    """
    if audited.mean is None or audited.minimum is None:
        return "The share of attention on the audited units is not known."
    if audited.minimum >= ALL_MASS:
        return "All attention lies on the audited units."
    return (
        f"Only attention on the audited units was moved: {mean(audited)} of it on average, "
        f"{number(audited.minimum)} at least. The less there is, the less any output can move."
    )
