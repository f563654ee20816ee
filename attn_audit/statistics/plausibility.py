"""How well a ranking of units finds those that people marked."""

from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int


class Agreement(NamedTuple):
    """Of one text, each 0 to 1."""

    auprc: float
    """Average precision; equal ranks are one threshold, as in scikit-learn."""
    token_f1: float
    """Of as many units as are marked, the first ones: precision and recall are the same."""
    iou: float
    """Those of them that are marked, over all that are either."""


def agreement(ranks: Int[np.ndarray, " unit"], marked: Bool[np.ndarray, " unit"]) -> Agreement:
    """Of the descending order of some ranks; where equal ones are cut, the mean over all cuts.

    Args:
        marked: At least one.

    Source:
        DeYoung et al. (2020), ERASER, section 4.1.

    Example:
        >>> agreement(np.array([3, 2, 1]), np.array([True, False, True]))
        Agreement(auprc=0.8333333333333333, token_f1=0.5, iou=0.3333333333333333)
    """
    groups = [ranks == rank for rank in np.unique(ranks)[::-1]]
    sizes = [int(group.sum()) for group in groups]
    hits = [int((group & marked).sum()) for group in groups]
    n_marked, n, n_hit, precision = sum(hits), 0, 0, 0.0
    f1 = iou = 0.0
    for size, hit in zip(sizes, hits, strict=True):
        if n < n_marked <= n + size:
            f1, iou = _of_a_cut(n_marked, n_hit, size, hit, n_marked - n)
        n, n_hit = n + size, n_hit + hit
        precision += hit * n_hit / n
    return Agreement(precision / n_marked, f1, iou)


def expected_agreement(n_units: int, n_marked: int) -> Agreement:
    """Of random orders, exactly.

    Example:
        >>> expected_agreement(2, 1)
        Agreement(auprc=0.75, token_f1=0.5, iou=0.5)
    """
    f1, iou = _of_a_cut(n_marked, 0, n_units, n_marked, n_marked)
    if n_units == 1:
        return Agreement(1.0, f1, iou)
    # A marked unit at place i has (i - 1) (k - 1) / (n - 1) of the others before it.
    others = (n_marked - 1) / (n_units - 1)
    harmonic = sum(1 / place for place in range(1, n_units + 1)) / n_units
    return Agreement(others + (1 - others) * harmonic, f1, iou)


def _of_a_cut(n_marked: int, before: int, size: int, hit: int, taken: int) -> tuple[float, float]:
    """F1 and IOU where some of a group of equal units are taken with those before it."""
    f1 = iou = 0.0
    for own in range(max(0, taken - (size - hit)), min(hit, taken) + 1):
        chance = comb(hit, own) * comb(size - hit, taken - own) / comb(size, taken)
        found = before + own
        f1 += chance * found / n_marked
        iou += chance * found / (2 * n_marked - found)
    return f1, iou
