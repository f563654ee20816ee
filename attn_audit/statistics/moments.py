"""Describing many numbers by a few."""

from dataclasses import dataclass
from itertools import chain
from math import fsum, sqrt

import numpy as np
from jaxtyping import Float64, Int

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles that every description holds."""

AT_ONCE = 2**14
"""Numbers that are Python's at a time."""


@dataclass(frozen=True, slots=True)
class Description:
    """Where some numbers lie and how they spread, in their own unit."""

    n: int
    mean: float
    sd: float | None
    """Sample standard deviation (n - 1); None for a single value."""
    minimum: float
    quantiles: dict[float, float]
    """By share of the values below: 0.05, 0.25, 0.5 (the median), 0.75, 0.95."""
    maximum: float


def describe(values: Float64[np.ndarray, " example"]) -> Description | None:
    """Mean, standard deviation, extremes and quantiles of the values, in their own unit.

    Sums are exact before the last rounding, so the order of the values changes nothing.

    Args:
        values: Finite numbers; the caller drops, and counts, what is undefined.

    Returns:
        The description; None where there is no value.

    Raises:
        ValueError: A value is NaN or infinite.

    Source:
        Quantiles by linear interpolation: Hyndman & Fan (1996), type 7, NumPy's default.

    Example:
        >>> describe(np.array([1.0, 2.0, 6.0]))
        Description(n=3, mean=3.0, sd=2.6457513110645907, minimum=1.0, \
quantiles={0.05: 1.1, 0.25: 1.5, 0.5: 2.0, 0.75: 4.0, 0.95: 5.6}, maximum=6.0)
    """
    require_finite(values)
    if len(values) == 0:
        return None
    quantiles = dict(zip(QUANTILES, np.quantile(values, QUANTILES).tolist(), strict=True))
    low, high = float(values.min()), float(values.max())
    return Description(len(values), mean(values), sd(values), low, quantiles, high)


def mean(values: Float64[np.ndarray, " example"]) -> float:
    """Arithmetic mean, the same in whatever order the values come.

    Args:
        values: At least one finite number.

    Returns:
        The mean, in the unit of the values.

    Example:
        >>> mean(np.array([1e16, 1.0, -1e16]))
        0.3333333333333333
    """
    return _sum(values) / len(values)


def sd(values: Float64[np.ndarray, " example"]) -> float | None:
    """Sample standard deviation (n - 1), at least 0; None for fewer than two values.

    Args:
        values: Finite numbers.

    Returns:
        The standard deviation, in the unit of the values and the same in whatever order they come.

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


def histogram(
    values: Float64[np.ndarray, " example"], edges: Float64[np.ndarray, " edge"]
) -> Int[np.ndarray, " bin"]:
    """Count the values in bins closed on the left; the last is closed on the right as well.

    Args:
        values: Finite numbers. One outside the edges (by rounding, say) counts in the nearest bin,
            so that the counts always add up to the number of values.
        edges: Borders of the bins, ascending; at least two.

    Returns:
        One count for each bin, one fewer than edges.

    Raises:
        ValueError: A value is NaN or infinite.

    Example:
        >>> histogram(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.5, 1.0]))
        array([1, 2])
    """
    require_finite(values)
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]


def require_finite(values: Float64[np.ndarray, "..."]) -> None:
    """Refuse NaN and infinity, which would pass through every sum unseen.

    Args:
        values: Numbers of any shape.

    Raises:
        ValueError: A value is NaN or infinite.

    Example:
        >>> require_finite(np.array([0.0, np.nan]))
        Traceback (most recent call last):
        ValueError: 1 of 2 values are not finite; drop and count them first
    """
    n_bad = int(np.count_nonzero(~np.isfinite(values)))
    if n_bad:
        raise ValueError(
            f"{n_bad} of {values.size} values are not finite; drop and count them first"
        )
