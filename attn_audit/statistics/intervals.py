"""Confidence intervals over examples: how far a number would move on other texts of the kind."""

from math import sqrt
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64

from attn_audit.statistics.moments import mean, require_finite, sd
from attn_audit.statistics.resamples import LARGEST_BOOTSTRAP_N, Resamples


class Interval(NamedTuple):
    """A confidence interval, in the unit of what was estimated."""

    low: float
    high: float
    method: Literal["wilson", "bootstrap", "normal", "delong", "newcombe"]


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Wilson's score interval for a share, from 0 to 1.

    Unlike the textbook's p ± 1.96 se it stays inside 0 to 1 and says something at 0 of n.

    Args:
        successes: How many of the n have the property.
        n: How many were looked at.
        confidence: How often such an interval covers the truth.

    Returns:
        The interval; None where nothing was looked at.

    Raises:
        ValueError: `successes` is not between 0 and n, where n is above 0.

    Source:
        Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    Example:
        >>> low, high, _ = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    if n == 0:
        return None
    from scipy.stats import binomtest  # takes longer to load than all that is computed here

    found = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Interval(float(found.low), float(found.high), "wilson")


def mean_interval(
    values: Float64[np.ndarray, " example"], resamples: Resamples, confidence: float = 0.95
) -> Interval | None:
    """Confidence interval of a mean over examples, in the unit of the values.

    Percentile bootstrap up to 5,000 values, which need not be spread normally for it; above, the
    normal approximation. Values are sorted first: their order changes nothing.

    Args:
        values: Finite numbers, one for each example.
        resamples: Of the same seed, the same values always have the same interval.
        confidence: How often such an interval covers the truth.

    Returns:
        The interval, within the smallest and largest value; None for fewer than two values.

    Raises:
        ValueError: A value is NaN or infinite.

    Source:
        Efron & Tibshirani (1993), "An Introduction to the Bootstrap", section 13.3.

    Example:
        >>> low, high, method = mean_interval(np.arange(100.0), Resamples(seed=0))
        >>> round(low), round(high), method
        (44, 55, 'bootstrap')
    """
    require_finite(values)
    if len(values) < 2:
        return None
    if len(values) > LARGEST_BOOTSTRAP_N:
        span = (float(values.min()), float(values.max()))
        return normal_interval(mean(values), sd(values) or 0.0, len(values), span, confidence)
    return percentiles(resamples.means(np.sort(values)), confidence)


def percentiles(drawn: Float64[np.ndarray, " resample"], confidence: float = 0.95) -> Interval:
    """The bootstrap's interval: what lies between the tails of the numbers that were drawn.

    Args:
        drawn: The number of each resample.
        confidence: How often such an interval covers the truth.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(float(low), float(high), "bootstrap")


def normal_interval(
    centre: float, spread: float, n: int, span: tuple[float, float], confidence: float = 0.95
) -> Interval:
    """Confidence interval of a mean by the normal approximation, in the unit of the values.

    Args:
        centre: The mean.
        spread: The sample standard deviation.
        n: Number of values, at least 2.
        span: The smallest and the largest value; the interval stays within.
        confidence: How often such an interval covers the truth.

    Example:
        >>> low, high, method = normal_interval(0.5, 0.2, 100, (0.0, 1.0))
        >>> round(low, 3), round(high, 3), method
        (0.461, 0.539, 'normal')
    """
    half = two_sided_z(confidence) * spread / sqrt(n)
    low, high = max(centre - half, span[0]), min(centre + half, span[1])
    return Interval(float(low), float(high), "normal")


def two_sided_z(confidence: float) -> float:
    """Standard errors from the centre of a normal distribution to the ends of such an interval.

    Example:
        >>> round(two_sided_z(0.95), 3)
        1.96
    """
    return NormalDist().inv_cdf((1 + confidence) / 2)
