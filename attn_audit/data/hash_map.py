"""A mapping between integers for millions of entries: 16 bytes each, not 150."""

from array import array
from bisect import bisect_left

MAX_RECENT = 2**16
"""Entries that are kept in a dictionary before they are sorted in among the others."""


class HashMap:
    """From 64-bit hashes to whole numbers, which may be changed and never go.

    New entries stand in a dictionary; when there are many, they are merged into two sorted arrays,
    where they are found by bisection.
    """

    def __init__(self) -> None:
        self._recent: dict[int, int] = {}
        self._keys, self._values = array("Q"), array("q")

    def get(self, key: int) -> int | None:
        """The number of a hash, if it has one.

        Args:
            key: From 0 to 2^64 - 1.
        """
        if key in self._recent:
            return self._recent[key]
        place = self._place(key)
        return None if place is None else self._values[place]

    def set(self, key: int, value: int) -> None:
        """Give a hash a number, in place of any that it had.

        Args:
            key: From 0 to 2^64 - 1.
            value: 64 bits, signed.
        """
        place = None if key in self._recent else self._place(key)
        if place is not None:
            self._values[place] = value
            return
        self._recent[key] = value
        if len(self._recent) >= MAX_RECENT:
            self._merge()

    def _place(self, key: int) -> int | None:
        place = bisect_left(self._keys, key)
        found = place < len(self._keys) and self._keys[place] == key
        return place if found else None

    def _merge(self) -> None:
        import numpy as np  # not needed, and not imported, for most data sets

        keys = np.concatenate([np.asarray(self._keys), np.fromiter(self._recent, np.uint64)])
        values = np.concatenate(
            [np.asarray(self._values), np.fromiter(self._recent.values(), np.int64)]
        )
        order = np.argsort(keys, kind="stable")
        self._keys = array("Q", keys[order].tobytes())
        self._values = array("q", values[order].tobytes())
        self._recent.clear()
