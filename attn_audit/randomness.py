"""Random draws as a pure function of (seed, example id, check, draw, position).

The same draws come out for every batch size, order, shard and resume, and on every device: they
are hashes, not states of a generator. The hash is SplitMix64's finaliser, applied twice.

Source: Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators".
"""

import functools
import hashlib
import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_POSITION_BITS = 20
"""Low bits of a sort key that hold the position: a million units, and 44 bits of randomness."""

ALL_PERMUTATIONS_UP_TO = 4
"""Texts of at most this many units get all n! permutations instead of a sample."""

Keys = UInt64[np.ndarray, " batch"]
"""One number an example, from `example_keys`."""


def example_keys(seed: int, example_ids: Sequence[str], check: str) -> Keys:
    """One 64-bit key for each example and check: where its draws start.

    Args:
        check: What the draws are for; different names give unrelated draws.

    Returns:
        Keys in the order of `example_ids`.

    Example:
        >>> example_keys(0, ["a"], "x")[0] == example_keys(0, ["b", "a"], "x")[1]
        np.True_
    """
    prefix = f"{seed}\0{check}\0"
    names = ((prefix + example_id).encode("utf-8", "surrogatepass") for example_id in example_ids)
    digests = [hashlib.blake2b(name, digest_size=8).digest() for name in names]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def is_of_judging_half(example_ids: Sequence[str]) -> Bool[np.ndarray, " batch"]:
    """Which texts say how good a ranking is; the others choose among rankings, and fit them.

    Example:
        >>> is_of_judging_half(["a", "b", "c"])
        array([False,  True,  True])
    """
    is_judging: np.ndarray = example_keys(0, example_ids, "erasure/half") & np.uint64(1) == 1
    return is_judging


def _mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser, in place."""
    shifted = values >> np.uint64(30)
    values ^= shifted
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= np.right_shift(values, np.uint64(27), out=shifted)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= np.right_shift(values, np.uint64(31), out=shifted)
    return values


def hashes(keys: Keys, draws: range, n_positions: int) -> UInt64[np.ndarray, "batch draw position"]:
    """64 random bits for every draw and position of every example.

    Args:
        n_positions: Positions of each draw; fewer positions give the same first ones.

    Returns:
        Independent uniform bits.
    """
    streams = np.arange(draws.start + 1, draws.stop + 1, dtype=np.uint64) * _GOLDEN
    positions = np.arange(1, n_positions + 1, dtype=np.uint64) * _GOLDEN
    of_draw = _mix(keys[:, None] + streams)
    return _mix(of_draw[:, :, None] + positions)


def row_keys(keys: Keys, rows: Int64[np.ndarray, "batch row"]) -> UInt64[np.ndarray, "batch row"]:
    """One key for each row of each example, where its own draws start."""
    return _mix(keys[:, None] + (rows.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def normals(
    keys: Keys, n_draws: int, n_positions: int
) -> Float64[np.ndarray, "batch draw position"]:
    """Standard normal draws, by the method of Box and Muller (1958).

    Returns:
        Independent draws; fewer positions give the same first ones.
    """
    # Draw d takes its radius from stream 2d and its angle from stream 2d + 1.
    bits = hashes(keys, range(2 * n_draws), n_positions) >> np.uint64(12)
    uniform = (bits + 0.5) * 2.0**-52  # in the open interval (0, 1)
    radius, angle = uniform[:, 0::2], uniform[:, 1::2]
    normal: np.ndarray = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
    return normal


def n_permutations(
    lengths: Int64[np.ndarray, " batch"], n_draws: int
) -> Int64[np.ndarray, " batch"]:
    """How many permutations each example gets: all n! where n <= 4, else `n_draws`.

    Example:
        >>> n_permutations(np.array([1, 3, 4, 5]), 100)
        array([  1,   6,  24, 100])
    """
    counts = [
        math.factorial(n) if n <= ALL_PERMUTATIONS_UP_TO else n_draws for n in lengths.tolist()
    ]
    return np.array(counts)


def permutations(
    keys: Keys, lengths: Int64[np.ndarray, " batch"], draws: range, n_units: int
) -> Int64[np.ndarray, "batch variant unit"]:
    """Some of each example's permutations: permuted[i] = weights[order[i]].

    Up to 4 units, draws 0 to n! - 1 are all permutations there are; later draws repeat none of
    them in any order of meaning, and `n_permutations` says to leave them out.

    Args:
        n_units: Width of the result; padding stays where it is.

    Returns:
        Uniform random orders of the units.
    """
    order = _sampled(keys, lengths, draws, n_units)
    for n in range(2, min(ALL_PERMUTATIONS_UP_TO, n_units) + 1):
        every = _all_orders(n)[draws.start : draws.stop]
        order[lengths == n, : len(every), :n] = every
    return order


@functools.cache
def _all_orders(n: int) -> Int64[np.ndarray, "variant unit"]:
    return np.array(list(itertools.permutations(range(n))))


def _sampled(keys: Keys, lengths: np.ndarray, draws: range, n_units: int) -> np.ndarray:
    """Sorting random keys that carry their position is a random permutation, ties included."""
    positions = np.arange(n_units, dtype=np.uint64)
    low = np.uint64((1 << _POSITION_BITS) - 1)
    is_padding = positions >= lengths[:, None].astype(np.uint64)
    fixed = np.where(is_padding, positions | ~low, positions)  # padding sorts last
    sort_keys = hashes(keys, draws, n_units)
    sort_keys &= ~low
    sort_keys |= fixed[:, None]
    sort_keys.sort(axis=-1)
    sort_keys &= low
    return sort_keys.view(np.int64)
