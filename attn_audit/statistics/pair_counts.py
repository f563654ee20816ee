"""The pairs of units that Kendall's tau is made of: in the same order, in opposite order, tied."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64, Int


@dataclass(frozen=True, slots=True)
class Ties:
    """Sums over the groups of t tied units in each row, as tau and its variance need them."""

    pairs: Int[np.ndarray, " batch"]
    """Sum of t (t - 1) / 2: how many pairs are tied."""
    triples: Int[np.ndarray, " batch"]
    """Sum of t (t - 1) (t - 2)."""
    spread: Int[np.ndarray, " batch"]
    """Sum of t (t - 1) (2 t + 5)."""


@dataclass(frozen=True, slots=True)
class PairCounts:
    """What two rankings of the same n units agree and disagree about, for each row."""

    n: Int[np.ndarray, " batch"]
    discordant: Int[np.ndarray, " batch"]
    """Pairs that the two sides order oppositely."""
    joint_ties: Int[np.ndarray, " batch"]
    """Pairs tied on both sides."""
    x: Ties
    y: Ties

    @property
    def total(self) -> Int[np.ndarray, " batch"]:
        """All pairs, n (n - 1) / 2."""
        total: Int[np.ndarray, " batch"] = self.n * (self.n - 1) // 2
        return total

    @property
    def difference(self) -> Int[np.ndarray, " batch"]:
        """Concordant less discordant pairs."""
        untied = self.total - self.x.pairs - self.y.pairs + self.joint_ties
        difference: Int[np.ndarray, " batch"] = untied - 2 * self.discordant
        return difference


def count_pairs(
    x_ranks: Int[np.ndarray, "batch unit"],
    y_ranks: Int[np.ndarray, "batch unit"],
    lengths: Int[np.ndarray, " batch"],
) -> PairCounts:
    """Count how two rankings order the pairs of each row.

    Sorted by x, then y, the discordant pairs are those that y has in the wrong order.

    Args:
        x_ranks: Dense ranks of one measure: from 0, without gaps.
        lengths: Number of units n in each row; what stands behind them is ignored.

    Returns:
        The counts, whole and exact.

    Source:
        Knight (1966), "A computer method for calculating Kendall's tau with ungrouped data".

    Example:
        >>> pairs = count_pairs(np.array([[0, 1, 1]]), np.array([[2, 0, 1]]), np.array([3]))
        >>> pairs.discordant, pairs.x.pairs, pairs.difference
        (array([2]), array([1]), array([-2]))
    """
    bits = x_ranks.shape[1].bit_length()
    packed = np.int32 if 2 * bits < 32 else np.int64
    x = _with_distinct_padding(x_ranks.astype(packed, copy=False), lengths)
    y = _with_distinct_padding(y_ranks.astype(packed, copy=False), lengths)
    both = np.sort(x << bits | y, axis=1)
    discordant = count_inversions(both & ((1 << bits) - 1))
    of_x, of_y = _ties(x), _ties(y)
    joint = np.zeros_like(of_x.pairs)
    are_tied = np.flatnonzero((of_x.pairs > 0) & (of_y.pairs > 0))
    joint[are_tied] = _equal_pairs(both[are_tied])
    return PairCounts(lengths.astype(np.int64), discordant, joint, of_x, of_y)


def _with_distinct_padding(
    ranks: Int[np.ndarray, "batch unit"], lengths: Int[np.ndarray, " batch"]
) -> Int[np.ndarray, "batch unit"]:
    """Padding ranks by position: above all units and ascending, it ties and inverts nothing."""
    position = np.arange(ranks.shape[1], dtype=ranks.dtype)
    return np.where(position < lengths.astype(ranks.dtype)[:, None], ranks, position)


def _ties(ranks: Int[np.ndarray, "batch unit"]) -> Ties:
    """Of one side, from how often each rank occurs.

    Every tie lowers the ranks behind it, as there are no gaps: where nothing is tied they sum up to
    what 0, 1, 2, ... do, and only there.
    """
    n_rows, width = ranks.shape
    pairs, cubic = np.zeros((2, n_rows), dtype=np.int64)  # sums of t (t - 1) and t^2 (t - 1)
    are_tied = np.flatnonzero(ranks.sum(axis=1) != width * (width - 1) // 2)
    flat = ranks[are_tied] + np.arange(0, len(are_tied) * width, width)[:, None]
    t = np.bincount(flat.ravel(), minlength=flat.size).reshape(flat.shape)
    squares = t * t
    sum_of_squares = squares.sum(axis=1)
    pairs[are_tied] = sum_of_squares - width
    cubic[are_tied] = np.einsum("ij,ij->i", squares, t) - sum_of_squares
    return Ties(pairs // 2, cubic - 2 * pairs, 2 * cubic + 5 * pairs)


def _equal_pairs(ascending: Int[np.ndarray, "batch unit"]) -> Int[np.ndarray, " batch"]:
    """How many pairs of each row are equal: each repetition pairs with all before it."""
    is_repeated = np.zeros(ascending.shape, dtype=bool)
    is_repeated[:, 1:] = ascending[:, 1:] == ascending[:, :-1]
    repeated = np.flatnonzero(is_repeated)
    is_second = np.diff(repeated, prepend=-1) > 1  # a row's first unit is never repeated
    sizes = 1 + np.diff(np.flatnonzero(is_second), append=len(repeated))
    rows = repeated[is_second] // ascending.shape[1]
    sums = np.bincount(rows, sizes * (sizes - 1) // 2, minlength=len(ascending))
    pairs: np.ndarray = sums.astype(np.int64)
    return pairs


BLOCK = 16
"""Rows are cut into blocks of this many, compared directly; larger blocks are merged by sorting.

A block has at most 120 inversions, which a byte counts."""


def count_inversions(ranks: Int[np.ndarray, "batch unit"]) -> Int[np.ndarray, " batch"]:
    """Count the pairs of each row whose left member is larger than its right one.

    The merge sort's count, for all rows and blocks at once: blocks of 16 by direct comparison, then
    two neighbours at a time by sorting them together. Time O(n log² n), memory linear.

    Args:
        ranks: Whole numbers from 0 to below 2^30; equal ones are no inversion.

    Returns:
        0 for a row in ascending order, n (n - 1) / 2 for one in strictly descending order.

    Source:
        Knight (1966), "A computer method for calculating Kendall's tau with ungrouped data".

    Example:
        >>> count_inversions(np.array([[0, 1, 2], [2, 1, 0], [1, 1, 0]]))
        array([0, 3, 2])
    """
    blocks = _padded(ranks)
    total = _inversions_within_blocks(blocks)
    width = 2 * BLOCK
    while width <= blocks.shape[1]:
        blocks, inversions = _merge(blocks, width)
        total += inversions
        width *= 2
    return total


def _padded(ranks: Int[np.ndarray, "batch unit"]) -> Int[np.ndarray, "batch padded"]:
    """Rows filled up with the largest number, which inverts nothing, to 16, 32, 64, ... columns."""
    n_rows, n = ranks.shape
    width = BLOCK
    while width < n:
        width *= 2
    largest = ranks.max(initial=0)
    padded = np.full((n_rows, width), largest, dtype=np.int16 if largest < 2**14 else np.int32)
    padded[:, :n] = ranks
    return padded


def _inversions_within_blocks(ranks: Int[np.ndarray, "batch unit"]) -> Int[np.ndarray, " batch"]:
    n_rows, n = ranks.shape
    blocks = ranks.reshape(n_rows, n // BLOCK, BLOCK)
    by_place = np.ascontiguousarray(np.moveaxis(blocks, 2, 0))  # place in block, batch, block
    counts = np.zeros(by_place.shape[1:], dtype=np.int8)
    for shift in range(1, BLOCK):
        inverted = by_place[:-shift] > by_place[shift:]
        counts += inverted.view(np.int8).sum(axis=0, dtype=np.int8)
    total: Int[np.ndarray, " batch"] = counts.sum(axis=1, dtype=np.int64)
    return total


def _merge(
    ranks: Int[np.ndarray, "batch unit"], width: int
) -> tuple[Int[np.ndarray, "batch unit"], Int[np.ndarray, " batch"]]:
    """Sort each block of `width`, and count the inversions between its left and right half.

    Right members carry a last bit of 1, so that they sort behind equal left ones. The left members
    that a right one exceeds or equals are its position less the right ones before it.
    """
    half, (n_rows, n) = width // 2, ranks.shape
    marked = (ranks << 1).reshape(-1, width)
    marked[:, half:] |= 1
    marked.sort(axis=1)
    is_right = (marked & 1).astype(np.float64)
    positions = (is_right @ np.arange(width, dtype=np.float64)).reshape(n_rows, n // width)
    inversions = half * half + half * (half - 1) // 2 - positions.astype(np.int64)
    return (marked >> 1).reshape(ranks.shape), inversions.sum(axis=1)


@cache
def inversion_distribution(n: int) -> Float64[np.ndarray, " inversions"]:
    """How probable each number of inversions is when n distinct things are shuffled at random.

    Args:
        n: How many things; each smaller n is computed, and kept, on the way.

    Returns:
        Probabilities of 0 to n (n - 1) / 2 inversions; symmetric.

    Source:
        Kendall (1938), "A new measure of rank correlation".

    Example:
        >>> (inversion_distribution(3) * 6).round(12)
        array([1., 2., 2., 1.])
    """
    if n < 2:
        return np.ones(1)
    probability = np.convolve(inversion_distribution(n - 1), np.full(n, 1 / n))
    probability.flags.writeable = False  # it is shared by all callers
    return probability
