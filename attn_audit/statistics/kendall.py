"""Kendall's tau-b between two rankings of the same units, for many ragged rows at once."""

from dataclasses import dataclass
from functools import cache
from math import erfc, factorial, sqrt

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Float64, Int

from attn_audit.errors import UsageError


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


LARGEST_EXACT_N = 33
"""Up to here SciPy's `auto` rule takes exact p-values, where nothing is tied."""

LARGEST_ENUMERATED_N = 100
"""Up to here `exact_chance` adds up the exact distribution."""


def p_values(pairs: PairCounts) -> Float64[np.ndarray, " batch"]:
    """Two-sided p-values, 0 to 1, of the taus that these pairs make.

    Exact where nothing is tied and either n is at most 33 or all pairs but one agree in direction;
    else from the normal distribution, its variance corrected for ties.

    Returns:
        One p-value for each row; without meaning where tau is undefined.

    Source:
        Kendall (1970), "Rank Correlation Methods"; the rule is the one of
        `scipy.stats.kendalltau(method="auto")`.

    Example:
        >>> order = np.arange(5)[None]
        >>> p_values(count_pairs(order, order, np.array([5]))).round(4)
        array([0.0167])
    """
    smaller = np.minimum(pairs.discordant, pairs.total - pairs.discordant)
    untied = (pairs.x.pairs == 0) & (pairs.y.pairs == 0)
    few = untied & (pairs.n <= LARGEST_EXACT_N)
    extreme = untied & (smaller <= 1) & ~few
    p = np.array([erfc(value) for value in (np.abs(_z_scores(pairs)) / sqrt(2)).tolist()])
    p[few] = _exact_p_values()[pairs.n[few], smaller[few]]
    p[extreme] = [_extreme_p_value(int(n)) for n in (pairs.n - smaller)[extreme]]
    return p


def exact_chance(
    lengths: Int[np.ndarray, " example"], alpha: float = 0.05
) -> Float64[np.ndarray, " example"]:
    """Probability that chance alone makes tau significantly positive; the same for negative.

    The yardstick for a share of significant examples: p-values of short texts come in few steps, so
    that chance stays below alpha / 2; with fewer than 5 units no p-value reaches 0.05 and it is 0.

    Returns:
        One probability for each length, under a random order without ties, by the p-values of
        `kendall_tau_of_ranks`: added up exactly to 100 units, above taken as alpha / 2.

    Source:
        This project, on the distribution of Kendall (1938).

    Example:
        >>> exact_chance(np.array([4, 5, 18, 1000])).round(4)
        array([0.    , 0.0083, 0.0239, 0.025 ])
    """
    distinct, where = np.unique(lengths, return_inverse=True)
    chances = np.array([_chance(int(n), alpha) for n in distinct], dtype=np.float64)
    return chances[where]


def adjusted(p_values: Float64[np.ndarray, " example"]) -> Float64[np.ndarray, " example"]:
    """Each p-value as it counts among all of them: those below q are false alarms at rate q.

    Returns:
        For each the smallest rate of false discoveries at which it is still among them, as
        `scipy.stats.false_discovery_control` has it: importing that takes longer than most audits'
        statistics.

    Source:
        Benjamini and Hochberg (1995), "Controlling the False Discovery Rate".

    Example:
        >>> adjusted(np.array([0.01, 0.04, 0.03])).round(3)
        array([0.03, 0.04, 0.04])
    """
    order, n = np.argsort(p_values), len(p_values)
    of_ordered = p_values[order] * (n / np.arange(1, n + 1))
    found = np.empty(n)
    found[order] = np.minimum.accumulate(of_ordered[::-1])[::-1].clip(0, 1)
    return found


@cache
def _chance(n: int, alpha: float) -> float:
    if n < 2:
        return 0.0
    if n > LARGEST_ENUMERATED_N:
        return alpha / 2
    probability = inversion_distribution(n)
    pairs = _untied(n, np.arange(len(probability)))
    is_significant = (pairs.difference > 0) & (p_values(pairs) <= alpha)
    return float(probability[is_significant].sum())


def _untied(n: int, discordant: Int[np.ndarray, " batch"]) -> PairCounts:
    none = np.zeros_like(discordant)
    no_ties = Ties(none, none, none)
    return PairCounts(np.full_like(discordant, n), discordant, none, no_ties, no_ties)


@cache
def _exact_p_values() -> Float64[np.ndarray, "n discordant"]:
    """By n and the discordant (or, where they are fewer, the concordant) pairs."""
    most = LARGEST_EXACT_N * (LARGEST_EXACT_N - 1) // 4
    table = np.ones((LARGEST_EXACT_N + 1, most + 1))
    for n in range(2, LARGEST_EXACT_N + 1):
        tail = inversion_distribution(n)[: n * (n - 1) // 4 + 1].cumsum()
        table[n, : len(tail)] = np.minimum(2 * tail, 1)
    return table


def _extreme_p_value(n: int) -> float:
    """2 / n!: all pairs agree; with one that does not it is 2 / (n - 1)!. SciPy ends at 170."""
    return 2 / factorial(n) if n <= 170 else 0.0


def _z_scores(pairs: PairCounts) -> Float64[np.ndarray, " batch"]:
    """Concordant less discordant pairs, in standard deviations of what chance would give."""
    n, x, y = pairs.n.astype(np.float64), pairs.x, pairs.y
    m = n * (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # where tau itself is undefined
        variance = (
            (m * (2 * n + 5) - x.spread - y.spread) / 18
            + 2.0 * x.pairs * y.pairs / m
            + 1.0 * x.triples * y.triples / (9 * m * (n - 2))
        )
        return np.asarray(pairs.difference / np.sqrt(variance))


@dataclass(frozen=True, slots=True)
class KendallResult:
    """One tau and p-value for each row; both NaN where a side is constant or has fewer than 2."""

    tau: Float64[np.ndarray, " batch"]
    """From -1, opposite order, to 1, same order."""
    p_value: Float64[np.ndarray, " batch"]
    """Two-sided: how often rankings that have nothing to do with each other get this far from 0."""


def kendall_tau(
    x: npt.ArrayLike, y: npt.ArrayLike, lengths: npt.ArrayLike | None = None
) -> KendallResult:
    """Kendall's tau-b, -1 to 1, of each row of `x` with that of `y`, and its two-sided p-value.

    Args:
        x: Numbers, a row each; one row alone may stand by itself. Equal ones are ties.
        lengths: Numbers that count in each row, from its beginning; None: all.

    Returns:
        For each row what `scipy.stats.kendalltau` gives.

    Raises:
        UsageError: Shapes do not fit each other, or a number that counts is not finite.

    Source:
        As `kendall_tau_of_ranks`.

    Example:
        >>> kendall_tau([[1, 2, 3, 4], [7, 8, 0, 0]], [[1, 2, 4, 3], [2, 1, 0, 0]], [4, 2]).tau
        array([ 0.66666667, -1.        ])
    """
    values = [np.atleast_2d(np.asarray(side, dtype=np.float64)) for side in (x, y)]
    if values[0].shape != values[1].shape or values[0].ndim != 2:
        shapes = " and ".join(str(side.shape) for side in values)
        raise UsageError(f"x and y: rows of as many numbers are compared, not {shapes}")
    n_rows, n_units = values[0].shape
    counted = np.full(n_rows, n_units) if lengths is None else np.atleast_1d(np.asarray(lengths))
    if counted.shape != (n_rows,) or counted.dtype.kind not in "iu":
        raise UsageError(f"lengths: one whole number for each of {n_rows} rows")
    if n_rows and not 0 <= counted.min() <= counted.max() <= n_units:
        raise UsageError(f"lengths: a row has {n_units} numbers, no fewer than 0 and no more count")
    is_unit = np.arange(n_units) < counted[:, None]
    for name, side in zip("xy", values, strict=True):
        if not np.isfinite(side[is_unit]).all():
            raise UsageError(f"{name}: a number that counts is not finite")
    x_ranks, y_ranks = (dense_ranks(side, counted, np.zeros(n_rows)) for side in values)
    return kendall_tau_of_ranks(x_ranks, y_ranks, counted)


def kendall_tau_of_ranks(
    x_ranks: Int[np.ndarray, "batch unit"],
    y_ranks: Int[np.ndarray, "batch unit"],
    lengths: Int[np.ndarray, " batch"],
) -> KendallResult:
    """Kendall's tau-b, -1 to 1, between the two rankings of each row, with its two-sided p-value.

    Of all pairs of units, the share that both sides order alike less the share that they order
    oppositely; pairs tied on one side shrink the denominator.

    Args:
        x_ranks: As `dense_ranks` gives them.

    Returns:
        For each row the very tau of `scipy.stats.kendalltau`, and its p-value within 1e-12.

    Source:
        Kendall (1945), "The treatment of ties in ranking problems"; the final formula and the
        choice of the null distribution are those of `scipy.stats.kendalltau(method="auto")`.

    Example:
        >>> ranks = np.array([[0, 1, 2, 3]]), np.array([[0, 1, 3, 2]])
        >>> result = kendall_tau_of_ranks(*ranks, np.array([4]))
        >>> result.tau.round(3), result.p_value.round(3)
        (array([0.667]), array([0.333]))
    """
    pairs = count_pairs(x_ranks, y_ranks, lengths)
    tau = _tau(pairs)
    return KendallResult(tau, np.where(np.isnan(tau), np.nan, p_values(pairs)))


def _tau(pairs: PairCounts) -> Float64[np.ndarray, " batch"]:
    untied_x, untied_y = pairs.total - pairs.x.pairs, pairs.total - pairs.y.pairs
    with np.errstate(invalid="ignore"):  # a constant side leaves 0 / 0, and NaN is meant
        tau = pairs.difference / np.sqrt(untied_x) / np.sqrt(untied_y)
    clipped: Float64[np.ndarray, " batch"] = np.clip(tau, -1.0, 1.0)
    return clipped


def dense_ranks(
    values: Float64[np.ndarray, "batch unit"],
    lengths: Int[np.ndarray, " batch"],
    noise_floor: Float[np.ndarray, " batch"],
) -> Int[np.ndarray, "batch unit"]:
    """Rank each row's values from 0 up; values closer than the noise floor share a rank.

    Sorted by size, a new rank starts wherever the step up from the next smaller value exceeds the
    row's floor. Values are thus tied in chains: 0.0, 0.9 and 1.8 all tie under a floor of 1.

    Args:
        values: Finite numbers, units first; what stands in the padding is ignored.
        noise_floor: Difference, in the unit of the values, up to which two of a row are tied;
            0 ties only equal values.

    Returns:
        Ranks without gaps, 0 for the smallest; -1 in the padding.

    Example:
        >>> values = np.array([[0.3, 0.1, 0.30001, 0.2], [5.0, 4.0, 0.0, 0.0]])
        >>> dense_ranks(values, np.array([4, 2]), np.array([1e-3, 0.0])).tolist()
        [[2, 0, 2, 1], [1, 0, -1, -1]]
    """
    is_unit = np.arange(values.shape[1]) < lengths[:, None]
    padded = np.where(is_unit, values, np.inf)
    order = np.argsort(padded, axis=1)
    order += np.arange(len(values))[:, None] * values.shape[1]  # from here on of the flat array
    ascending = padded.take(order)
    rises = np.zeros(values.shape, dtype=np.int32)
    rises[:, 1:] = ascending[:, 1:] > ascending[:, :-1] + noise_floor[:, None]
    ranks = np.empty_like(rises)
    ranks.ravel()[order] = np.cumsum(rises, axis=1, dtype=np.int32)
    return np.where(is_unit, ranks, np.int32(-1))


def is_constant(
    ranks: Int[np.ndarray, "batch unit"], lengths: Int[np.ndarray, " batch"]
) -> Bool[np.ndarray, " batch"]:
    """Whether all units of a row share one rank, as one unit or none does: it ranks nothing.

    Example:
        >>> is_constant(np.array([[0, 0, -1], [1, 0, 0]]), np.array([2, 3]))
        array([ True, False])
    """
    is_unit = np.arange(ranks.shape[1]) < lengths[:, None]
    has_step: Bool[np.ndarray, " batch"] = np.any((ranks > 0) & is_unit, axis=1)
    return ~has_step
