"""Kendall's tau-b between two rankings of the same units, for many ragged rows at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Int

from attn_audit.errors import UsageError
from attn_audit.statistics.kendall_significance import p_values
from attn_audit.statistics.pair_counts import PairCounts, count_pairs
from attn_audit.statistics.ranks import dense_ranks


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
        y: As many.
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
        y_ranks: Dense ranks of the other.
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
