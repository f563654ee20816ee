"""Kendall's tau-b between two rankings of the same units, for many ragged rows at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Float64, Int

from attn_audit.errors import UsageError
from attn_audit.statistics.pair_counts import PairCounts, count_pairs
from attn_audit.statistics.significance import p_values


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
        x_ranks: Dense ranks of one measure, as `dense_ranks` gives them.
        lengths: Number of units in each row; what stands behind them is ignored.

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
        lengths: Number of units in each row.
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
    """Whether all units of a row share one rank, so that nothing can correlate with it.

    Returns:
        True for each row that ranks nothing; a row with one unit or none does not either.

    Example:
        >>> is_constant(np.array([[0, 0, -1], [1, 0, 0]]), np.array([2, 3]))
        array([ True, False])
    """
    is_unit = np.arange(ranks.shape[1]) < lengths[:, None]
    has_step: Bool[np.ndarray, " batch"] = np.any((ranks > 0) & is_unit, axis=1)
    return ~has_step
