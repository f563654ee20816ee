"""The bootstrap's resamples: data sets of the same size, drawn anew from the values there are."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Float64, Int32, Integer, UInt8

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
        """Args: seed: Of all draws; what was drawn before changes nothing."""
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
