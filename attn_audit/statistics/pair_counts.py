"""The pairs of units that Kendall's tau is made of: in the same order, in opposite order, tied."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from attn_audit.statistics.inversions import count_inversions


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
        y_ranks: Dense ranks of the other.
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
