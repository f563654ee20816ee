"""Kendall's tau-b between two rankings of the same units, for many ragged rows at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from attn_audit.statistics.kendall_significance import p_values
from attn_audit.statistics.pair_counts import PairCounts, count_pairs


@dataclass(frozen=True, slots=True)
class KendallResult:
    """One tau and p-value for each row; both NaN where a side is constant or has fewer than 2."""

    tau: Float64[np.ndarray, " batch"]
    """From -1, opposite order, to 1, same order."""
    p_value: Float64[np.ndarray, " batch"]
    """Two-sided: how often rankings that have nothing to do with each other get this far from 0."""


def kendall_tau(
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
        >>> result = kendall_tau(np.array([[0, 1, 2, 3]]), np.array([[0, 1, 3, 2]]), np.array([4]))
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
