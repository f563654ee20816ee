"""Counting inversions: pairs that stand in the wrong order. Kendall's tau is made of them."""

from functools import cache

import numpy as np
from jaxtyping import Float64, Int

BLOCK = 16
"""Rows are cut into blocks of this many, compared directly; larger blocks are merged by sorting."""


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


def _inversions_within_blocks(
    ranks: Int[np.ndarray, "batch unit"],
) -> Int[np.ndarray, " batch"]:
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

    Args:
        n: How many things; each smaller n is computed, and kept, on the way.

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
