"""Many numbers described by a few, and how far those would move on other texts of the kind."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from math import fsum, sqrt
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Integer, UInt8

from attn_audit.statistics.kendall import kendall_tau
from attn_audit.statistics.summary import (
    NOT_MEASURED,
    Distribution,
    Estimate,
    Histogram,
    Interval,
)

QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
"""Those that every distribution holds, by the share of the values below."""

CONFIDENCE = 0.95
"""How often an interval covers the truth."""

Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""Standard errors from the centre of a normal distribution to the ends of such an interval."""

AT_ONCE = 2**14
"""Numbers that are Python's at a time."""


def mean(values: Float64[np.ndarray, " example"]) -> float:
    """Arithmetic mean, the same in whatever order the values come.

    Example:
        >>> mean(np.array([1e16, 1.0, -1e16]))
        0.3333333333333333
    """
    return _sum(values) / len(values)


def sd(values: Float64[np.ndarray, " example"]) -> float | None:
    """Sample standard deviation (n - 1), in whatever order; None for fewer than two values.

    Example:
        >>> sd(np.array([1.0, 3.0]))
        1.4142135623730951
    """
    if len(values) < 2:
        return None
    return sqrt(_sum((values - mean(values)) ** 2) / (len(values) - 1))


def _sum(values: Float64[np.ndarray, " example"]) -> float:
    """Exact but for the last rounding; Python's numbers take four times the array's memory."""
    portions = (values[i : i + AT_ONCE].tolist() for i in range(0, len(values), AT_ONCE))
    return fsum(chain.from_iterable(portions))


def require_finite(values: Float64[np.ndarray, "..."]) -> None:
    """Refuse NaN and infinity, which would pass through every sum unseen.

    Raises:
        ValueError: A value is NaN or infinite.
    """
    n_bad = int(np.count_nonzero(~np.isfinite(values)))
    if n_bad:
        raise ValueError(
            f"{n_bad} of {values.size} values are not finite; drop and count them first"
        )


N_RESAMPLES = 5_000
"""How often the bootstrap draws the data set anew: with 1,000 the draw alone moves the width of an
interval by 3 %, with these by 1.4 %."""

LARGEST_BOOTSTRAP_N = 5_000
"""Above this many values the mean is normal enough, and resampling slow."""

DRAWS_AT_ONCE, COUNTS_AT_ONCE = 125_000, 400_000
"""Bounds the memory of drawing to a few MB; counts are taken in blocks that stay in cache."""

MAX_KEPT = 100_000_000
"""Counts that are kept for the next values of the same number: 100 MB, which all and the groups of
a report over 5,000 examples need."""

Counts = UInt8[np.ndarray, "resample example"]
"""How often each value is in each resample: 1 on average, 256 times by no chance there is."""


class Resamples:
    """How often each of n values is in each resample: the same for all values of the same number.

    Drawing takes most of a bootstrap's time, and a report describes dozens of numbers over the same
    few groups of examples.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._kept: dict[int, Counts] = {}

    def means(self, values: Float64[np.ndarray, " example"]) -> Float64[np.ndarray, " resample"]:
        """The mean of each resample.

        Args:
            values: Finite numbers, one to `LARGEST_BOOTSTRAP_N`; their order decides which of them
                are drawn.
        """
        sums = np.empty(N_RESAMPLES)
        for rows, counts in self._portions(len(values)):
            sums[rows] = counts.astype(np.float64) @ values
        return (sums / len(values)).clip(values.min(), values.max())

    def totals(
        self, counted: Integer[np.ndarray, "example column"]
    ) -> Float32[np.ndarray, "resample column"]:
        """The sum of each column over each resample.

        Args:
            counted: One to `LARGEST_BOOTSTRAP_N` examples; counts that add up to less than 2**24,
                so that sums are exact.
        """
        of_example = counted.astype(np.float32)
        totals = np.empty((N_RESAMPLES, counted.shape[1]), dtype=np.float32)
        for rows, counts in self._portions(len(counted)):
            totals[rows] = counts.astype(np.float32) @ of_example
        return totals

    def _portions(self, n: int) -> Iterator[tuple[slice, Counts]]:
        counts = self._counts(n)
        return ((rows, counts[rows]) for rows in _blocks(COUNTS_AT_ONCE // n))

    def _counts(self, n: int) -> Counts:
        counts = self._kept.pop(n, None)
        if counts is None:
            counts = _count(n, self._seed)
            while self._kept and sum(map(np.size, self._kept.values())) + counts.size > MAX_KEPT:
                del self._kept[next(iter(self._kept))]  # unused for longest
        self._kept[n] = counts
        return counts


def _count(n: int, seed: int) -> Counts:
    generator = np.random.Generator(np.random.Philox(seed))
    counts = np.empty((N_RESAMPLES, n), dtype=np.uint8)
    for rows in _blocks(DRAWS_AT_ONCE // n):
        shape = counts[rows].shape
        counts[rows] = _occurrences(generator.integers(n, size=shape, dtype=np.int32))
    return counts


def _occurrences(drawn: Int32[np.ndarray, "resample example"]) -> np.ndarray:
    """How often each index occurs in each row."""
    n_rows, n = drawn.shape
    places = drawn + np.arange(0, drawn.size, n)[:, None]  # int64, which is counted fastest
    return np.bincount(places.ravel(), minlength=drawn.size).reshape(n_rows, n)


def _blocks(n_rows: int) -> Iterator[slice]:
    size = max(1, n_rows)
    return (slice(start, start + size) for start in range(0, N_RESAMPLES, size))


def wilson_interval(successes: int, n: int) -> Interval | None:
    """Wilson's score interval for a share, from 0 to 1.

    Unlike the textbook's p ± 1.96 se it stays inside 0 to 1 and says something at 0 of n.

    Returns:
        None where nothing was looked at.

    Raises:
        ValueError: `successes` is not between 0 and n, where n is above 0.

    Source:
        Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    Example:
        >>> found = wilson_interval(8, 10)
        >>> round(found.low, 3), round(found.high, 3)
        (0.49, 0.943)
    """
    if n == 0:
        return None
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie between 0 and {n}, not {successes}")
    share, whole = successes / n, 2 * (n + Z**2)
    middle = (2 * n * share + Z**2) / whole
    half = Z / whole * sqrt(4 * n * share * (1 - share) + Z**2)
    low = 0.0 if successes == 0 else middle - half
    return Interval(low, 1.0 if successes == n else middle + half, "wilson")


def mean_interval(values: Float64[np.ndarray, " example"], resamples: Resamples) -> Interval | None:
    """Confidence interval of a mean over examples, in the unit of the values.

    Percentile bootstrap up to 5,000 values, which need not be spread normally for it; above, the
    normal approximation. Values are sorted first: their order changes nothing.

    Args:
        resamples: Of the same seed, the same values always have the same interval.

    Returns:
        Within the smallest and largest value; None for fewer than two values.

    Raises:
        ValueError: A value is NaN or infinite.

    Source:
        Efron & Tibshirani (1993), "An Introduction to the Bootstrap", section 13.3.

    Example:
        >>> found = mean_interval(np.arange(100.0), Resamples(seed=0))
        >>> round(found.low), round(found.high), found.method
        (44, 55, 'bootstrap')
    """
    require_finite(values)
    if len(values) < 2:
        return None
    if len(values) > LARGEST_BOOTSTRAP_N:
        span = (float(values.min()), float(values.max()))
        return normal_interval(mean(values), sd(values) or 0.0, len(values), span)
    return percentiles(resamples.means(np.sort(values)))


def distribution_of(
    values: Float64[np.ndarray, " example"],
    resamples: Resamples,
    edges: Sequence[float] | None = None,
    classes: Mapping[str, Bool[np.ndarray, " example"]] | None = None,
) -> Distribution:
    """Moments, extremes, quantiles, interval and histogram of the values that are not NaN.

    Sums are exact before the last rounding, so the order of the values changes nothing. Bins are
    closed on the left, the last on the right as well; a value outside the edges, by rounding say,
    counts in the nearest bin.

    Args:
        classes: Parts of which each has a histogram of its own.

    Raises:
        ValueError: A value is infinite.

    Source:
        Quantiles by linear interpolation: Hyndman & Fan (1996), type 7, NumPy's default.

    Example:
        >>> found = distribution_of(np.array([1.0, 2.0, 6.0]), Resamples(seed=0), (0.0, 2.0, 5.0))
        >>> found.mean, found.median, found.q95, found.histogram.counts
        (3.0, 2.0, 5.6, (1, 2))
    """
    is_known = ~np.isnan(values)
    values = values[is_known]
    require_finite(values)
    if len(values) == 0:
        return Distribution(n=0, mean=None, sd=None, interval=None, minimum=None, maximum=None)
    histogram = None
    if edges is not None:
        histogram = Histogram(
            edges=tuple(edges),
            counts=_counts(values, edges),
            by_prediction={
                name: _counts(values[inside[is_known]], edges)
                for name, inside in (classes or {}).items()
            },
        )
    quantiles = np.quantile(values, [*QUANTILES.values()]).tolist()
    return Distribution(
        n=len(values),
        mean=mean(values),
        sd=sd(values),
        interval=mean_interval(values, resamples),
        minimum=float(values.min()),
        maximum=float(values.max()),
        **dict(zip(QUANTILES, quantiles, strict=True)),
        histogram=histogram,
    )


def _counts(values: Float64[np.ndarray, " example"], edges: Sequence[float]) -> tuple[int, ...]:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), np.array(edges))
    return tuple(counts.tolist())


def percentiles(drawn: Float64[np.ndarray, " resample"]) -> Interval:
    """The bootstrap's interval: what lies between the tails of the numbers that were drawn."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(float(low), float(high), "bootstrap")


def normal_interval(centre: float, spread: float, n: int, span: tuple[float, float]) -> Interval:
    """Confidence interval of a mean by the normal approximation, in the unit of the values.

    Args:
        span: The smallest and the largest value; the interval stays within.

    Example:
        >>> found = normal_interval(0.5, 0.2, 100, (0.0, 1.0))
        >>> round(found.low, 3), round(found.high, 3), found.method
        (0.461, 0.539, 'normal')
    """
    half = Z * spread / sqrt(n)
    low, high = max(centre - half, span[0]), min(centre + half, span[1])
    return Interval(float(low), float(high), "normal")


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


def _tau(means: Float64[np.ndarray, "row column"]) -> Float64[np.ndarray, " row"]:
    half = means.shape[1] // 2
    return kendall_tau(means[:, :half], means[:, half:]).tau
