"""Telling what all steps of the gradient adversary's search take from a few of them."""

from collections.abc import Iterable

from attn_audit.engine.batch import Finding

STEPS = (5, 25)
"""Of the search, which is tried twice: its other steps take as long each."""

N_SEARCHED = 32
"""Examples that it is tried on: a step of few takes nearly as long as one of many."""


def seconds_of_steps(few: float, more: float, n_steps: int) -> float:
    """What a search will take.

    Args:
        few: Seconds with the first number of `STEPS`.
        more: Seconds with the second.
        n_steps: Of the search.

    Example:
        >>> seconds_of_steps(1.0, 3.0, 45)
        5.0
    """
    per_step = max(0.0, more - few) / (STEPS[1] - STEPS[0])
    return few + per_step * (n_steps - STEPS[0])


def has_searched(found: Iterable[Finding]) -> bool:
    """Whether the adversary of some example was searched for, not computed."""
    return any(item.record.adversarial_method == "gradient" for item in found)
