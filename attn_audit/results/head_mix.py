"""A fitted mix of heads, as a report keeps it."""

from attn_audit.statistics.summary import Value


class HeadMix(Value):
    """What the attention of each head counts for in the measure `head_mix`."""

    n_texts: int
    """That it is fitted to; none of them is scored by it."""
    passes: int
    """That the fit took, once."""
    weights: tuple[tuple[float, ...], ...]
    """Of each layer, from the first to the one that is read out, that of each head."""
