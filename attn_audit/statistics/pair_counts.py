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
        x_ranks: Dense ranks of one measure, each below n.
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
    joint, of_x, of_y = _ties(both, both >> bits, np.sort(y, axis=1))
    discordant = count_inversions(both & ((1 << bits) - 1))
    return PairCounts(lengths.astype(np.int64), discordant, joint.pairs, of_x, of_y)


def _with_distinct_padding(
    ranks: Int[np.ndarray, "batch unit"], lengths: Int[np.ndarray, " batch"]
) -> Int[np.ndarray, "batch unit"]:
    """Padding ranks by position: above all units and ascending, it ties and inverts nothing."""
    position = np.arange(ranks.shape[1], dtype=ranks.dtype)
    return np.where(position < lengths.astype(ranks.dtype)[:, None], ranks, position)


def _ties(*ascending: Int[np.ndarray, "batch unit"]) -> list[Ties]:
    """One result for each argument; they are counted together because calls cost more than rows."""
    stacked = np.concatenate(ascending)
    t, rows = _tied_groups(stacked)

    def per_row(terms: Int[np.ndarray, " group"]) -> Int[np.ndarray, "side batch"]:
        sums = np.bincount(rows, terms, minlength=len(stacked))
        return sums.astype(np.int64).reshape(len(ascending), -1)

    pairs = t * (t - 1)
    sums = per_row(pairs // 2), per_row(pairs * (t - 2)), per_row(pairs * (2 * t + 5))
    return [Ties(*side) for side in zip(*sums, strict=True)]


def _tied_groups(
    ascending: Int[np.ndarray, "batch unit"],
) -> tuple[Int[np.ndarray, " group"], Int[np.ndarray, " group"]]:
    """How many units each group of two or more equal ones has, and in which row it stands."""
    is_repeated = np.zeros(ascending.shape, dtype=bool)
    is_repeated[:, 1:] = ascending[:, 1:] == ascending[:, :-1]
    repeated = np.flatnonzero(is_repeated)
    is_second = np.diff(repeated, prepend=-1) > 1  # a row's first unit is never repeated
    sizes = 1 + np.diff(np.flatnonzero(is_second), append=len(repeated))
    return sizes, repeated[is_second] // ascending.shape[1]
