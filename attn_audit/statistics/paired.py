"""Numbers over several columns of the same examples, resampled together."""

import numpy as np
from jaxtyping import Float64

from attn_audit.statistics.estimate import NOT_MEASURED, Estimate
from attn_audit.statistics.intervals import (
    LARGEST_BOOTSTRAP_N,
    Resamples,
    mean,
    normal_interval,
    percentiles,
    sd,
)
from attn_audit.statistics.kendall import kendall_tau


def ratio_of_means(
    values: Float64[np.ndarray, " example"],
    wholes: Float64[np.ndarray, " example"],
    resamples: Resamples,
) -> Estimate:
    """The mean of some values over the mean of their wholes, with its 95 % interval over examples.

    Percentile bootstrap of both together; above 5,000 examples by linearisation. The order of the
    examples changes nothing.

    Args:
        values: NaN where an example does not count.
        wholes: The same.

    Returns:
        Nothing where the wholes are not above 0 on average.

    Source:
        Cochran (1977), "Sampling Techniques", section 6.3, for the variance of a ratio.

    Example:
        >>> ones = np.ones(4)
        >>> ratio_of_means(ones, 2 * ones, Resamples(seed=0)).value
        0.5
    """
    known = ~(np.isnan(values) | np.isnan(wholes))
    order = np.lexsort((wholes[known], values[known]))
    part, whole, n = values[known][order], wholes[known][order], int(known.sum())
    if n == 0 or mean(whole) <= 0:
        return NOT_MEASURED
    ratio = mean(part) / mean(whole)
    if n < 2:
        return Estimate(ratio, n)
    if n > LARGEST_BOOTSTRAP_N:
        spread = (sd(part - ratio * whole) or 0.0) / mean(whole)
        return Estimate(ratio, n, normal_interval(ratio, spread, n, (-np.inf, np.inf)))
    drawn = resamples.means(whole)
    if (drawn <= 0).any():
        return Estimate(ratio, n)
    return Estimate(ratio, n, percentiles(resamples.means(part) / drawn))


def tau_of_means(
    first: Float64[np.ndarray, "example column"],
    second: Float64[np.ndarray, "example column"],
    resamples: Resamples,
) -> Estimate:
    """Kendall's tau-b between the means of some columns and those of their seconds.

    Args:
        first: NaN where an example does not count.
        second: Of the same columns.

    Returns:
        With a bootstrap interval over examples, up to 5,000 of them; nothing where one side's means
        are all equal.

    Example:
        >>> rising = np.array([[0.0, 1.0, 2.0]])
        >>> tau_of_means(rising, -rising, Resamples(seed=0)).value
        -1.0
    """
    both = np.concatenate([first, second], axis=1)
    both = both[~np.isnan(both).any(axis=1)]
    both, n = both[np.lexsort(both.T)], len(both)
    if n == 0:
        return NOT_MEASURED
    means = np.array([[mean(column) for column in both.T]])
    tau = _tau(means)[0]
    if np.isnan(tau):
        return NOT_MEASURED
    if not 2 <= n <= LARGEST_BOOTSTRAP_N:
        return Estimate(float(tau), n)
    drawn = _tau(np.stack([resamples.means(column) for column in both.T], axis=1))
    return Estimate(float(tau), n, percentiles(drawn[~np.isnan(drawn)]))


def _tau(
    means: Float64[np.ndarray, "row column"],
) -> Float64[np.ndarray, " row"]:
    half = means.shape[1] // 2
    return kendall_tau(means[:, :half], means[:, half:]).tau
