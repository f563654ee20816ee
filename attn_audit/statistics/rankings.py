"""What a ranking of a text's units is worth, by what leaving them out does, and to people.

A set of units is a bitset: bit i stands for unit i. The gain v(S) is by how much the output falls
without the units of S: p(all) - p(all but S); above 0 where they spoke for the prediction.
"""

from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64, UInt64

MAX_UNITS_OF_ALL_SIZES = 30
"""Texts of at most so many units are measured after every unit; longer ones at so many sizes."""

MAX_UNITS_OF_TABLE = 10
"""Texts of at most so many units have the outputs of all their 2^n subsets computed."""

BEAM_WIDTH = 5
"""Subsets of each size that a search goes on with."""

BIN_PERCENT = (1, 5, 10, 20, 50)
"""Of the units: DeYoung et al. (2020), "ERASER", section 4.2."""

Table = Float64[np.ndarray, " subset"]
"""A number for each of the 2^n subsets of a text, by bitset."""


def curve_sizes(n_units: int) -> list[int]:
    """How many units are gone at each point of a text's curve.

    Example:
        >>> curve_sizes(3), curve_sizes(60)[:3], len(curve_sizes(61)), curve_sizes(61)[-1]
        ([1, 2, 3], [2, 4, 6], 30, 61)
    """
    n = min(n_units, MAX_UNITS_OF_ALL_SIZES)
    return [(2 * i * n_units + n) // (2 * n) for i in range(1, n + 1)]


def bin_sizes(n_units: int) -> list[int]:
    """How many units ERASER's five bins hold: rounded up, in integers, and at least 1.

    Example:
        >>> bin_sizes(9), bin_sizes(100)
        ([1, 1, 1, 2, 5], [1, 5, 10, 20, 50])
    """
    return [max(1, -(-percent * n_units // 100)) for percent in BIN_PERCENT]


def first_of(order: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """The bitsets of the first units of an order, at several sizes.

    Example:
        >>> first_of([2, 0, 1], [0, 1, 3])
        [0, 4, 7]
    """
    growing = list(accumulate((1 << unit for unit in order), initial=0))
    return [growing[size] for size in sizes]


def subset_sizes(n_units: int) -> Int64[np.ndarray, " subset"]:
    """How many units each subset of a text holds, by bitset."""
    sizes = np.zeros(1, dtype=np.int64)
    for _ in range(n_units):
        sizes = np.concatenate([sizes, sizes + 1])
    return sizes


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest and the smallest mean gain over all n units that any order has."""

    upper: float
    lower: float


def limits_of(gains: Table) -> Limits:
    """What the best and the worst of all n! orders reach.

    f(nothing) = 0, f(S) = v(S) + max over i in S of f(S without i), over n; with min the lower one.
    A maximum starts at minus infinity: every gain may be below 0.

    Args:
        gains: v of each subset; of a text with at least one unit.

    Source:
        Edin et al. (2025), "Normalized AOPC", there by trying all orders.

    Example:
        >>> limits_of(np.array([0.0, 0.5, 0.25, 0.25]))
        Limits(upper=0.375, lower=0.25)
    """
    n_units = len(gains).bit_length() - 1
    sizes, subsets = subset_sizes(n_units), np.arange(len(gains))
    best, worst = np.zeros(len(gains)), np.zeros(len(gains))
    for size in range(1, n_units + 1):
        of_size = subsets[sizes == size]
        highest, lowest = np.full(len(of_size), -np.inf), np.full(len(of_size), np.inf)
        for unit in range(n_units):
            has_unit = (of_size >> unit & 1).astype(bool)
            without = of_size[has_unit] ^ (1 << unit)
            highest[has_unit] = np.maximum(highest[has_unit], best[without])
            lowest[has_unit] = np.minimum(lowest[has_unit], worst[without])
        best[of_size] = gains[of_size] + highest
        worst[of_size] = gains[of_size] + lowest
    return Limits(float(best[-1]) / n_units, float(worst[-1]) / n_units)


def expected_gain(gains: Table, sizes: Sequence[int]) -> float:
    """The exact expectation of the mean gain over some sizes, of an order drawn at random.

    Example:
        >>> expected_gain(np.array([0.0, 0.5, 0.1, 0.2]), [1, 2])
        0.25
    """
    n_units = subset_sizes(len(gains).bit_length() - 1)
    of_size = np.bincount(n_units, gains) / np.bincount(n_units)
    return float(np.mean(of_size[list(sizes)]))


Asking = Generator[list[int], Sequence[float], float]
"""Yields bitsets, is sent the gain of each, and returns what it was about."""


def highest_by_beam(n_units: int, width: int = BEAM_WIDTH) -> Asking:
    """A lower bound of the upper limit: the best of the orders that a beam search goes through.

    One unit more is left out at each level; of all subsets that are met there, those of the largest
    summed gain are gone on with. Subsets of equal sums are told apart by their bitsets alone.

    Source:
        Edin et al. (2025), "Normalized AOPC".
    """
    beam = {0: 0.0}
    for _ in range(n_units):
        reached: dict[int, float] = {}
        for subset, total in beam.items():
            for unit in range(n_units):
                if not subset >> unit & 1:
                    larger = subset | 1 << unit
                    reached[larger] = max(total, reached.get(larger, -np.inf))
        asked = sorted(reached)
        gains = yield asked
        totals = [(-(reached[s] + gain), s) for s, gain in zip(asked, gains, strict=True)]
        beam = {subset: -negative for negative, subset in sorted(totals)[:width]}
    return max(beam.values()) / n_units


@cache
def subsets_of_beam(n_units: int) -> int:
    """How many subsets a search asks for: of units whose gains, drawn at random, add up."""
    gains = np.random.default_rng(n_units).normal(size=n_units)
    search, n_asked = highest_by_beam(n_units), 0
    asked = next(search)
    with suppress(StopIteration):
        while True:
            n_asked += len(asked)
            sums = [sum(g for i, g in enumerate(gains) if s >> i & 1) for s in asked]
            asked = search.send(sums)
    return n_asked


def share_above(value: float, others: Float64[np.ndarray, " other"], noise: float) -> float:
    """How many of the others a value is above; those that it equals count half.

    Args:
        noise: Difference up to which two are equal.

    Example:
        >>> share_above(0.5, np.array([0.1, 0.5, 0.7, 0.2]), 1e-9)
        0.625
    """
    above = np.mean(value - others > noise)
    return float(above + np.mean(np.abs(value - others) <= noise) / 2)


def weighted_concordance(
    scores: Float64[np.ndarray, " unit"], effects: Float64[np.ndarray, " unit"]
) -> float | None:
    """Whether units of larger scores have larger effects, pairs weighed by how far scores differ.

    Over all pairs of a higher and a lower score: their difference counts for it where the higher
    has at least the effect of the lower, and against it elsewhere; over the sum of differences.

    Args:
        effects: What leaving out each unit alone does.

    Returns:
        -1 to 1; None where all scores are equal.

    Source:
        Wu et al. (2024), "On the Faithfulness of Vision Transformer Explanations" (SaCo),
        algorithm 1, each unit a subset of its own.

    Example:
        >>> weighted_concordance(np.array([3.0, 1.0, 0.0]), np.array([0.5, 0.1, 0.2]))
        0.6666666666666666
    """
    order = np.argsort(-scores, kind="stable")
    sorted_scores, sorted_effects = scores[order], effects[order]
    higher, lower = np.triu_indices(len(scores), k=1)
    weights = sorted_scores[higher] - sorted_scores[lower]
    total = float(weights.sum())
    if total == 0:
        return None
    signs = np.where(sorted_effects[higher] >= sorted_effects[lower], 1.0, -1.0)
    return float((signs * weights).sum()) / total


def descending(
    ranks: Int[np.ndarray, " unit"], draws: UInt64[np.ndarray, "order unit"]
) -> Int64[np.ndarray, "drawn unit"]:
    """Orders from the highest rank to the lowest, those of equal rank as each draw has them.

    Args:
        draws: Random numbers that tell ties apart: the smaller goes first.

    Returns:
        One order for each draw; a single one where there are no ties.

    Example:
        >>> draws = np.array([[1, 2, 3], [3, 2, 1]], dtype=np.uint64)
        >>> descending(np.array([0, 2, 1]), draws).tolist()
        [[1, 2, 0]]
        >>> descending(np.array([0, 1, 0]), draws).tolist()
        [[1, 0, 2], [1, 2, 0]]
    """
    used = draws if ranks.max(initial=-1) + 1 < len(ranks) else draws[:1]
    order: Int64[np.ndarray, "drawn unit"] = np.lexsort(
        (used, np.broadcast_to(-ranks, used.shape)), axis=-1
    )
    return order


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
