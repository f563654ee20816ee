"""One row of a data set, as every format gives it, and its id: its own, or a hash."""

import hashlib
import json
from array import array
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from attn_audit.errors import Fault, RowError
from attn_audit.quoting import quoted


@dataclass(frozen=True, slots=True)
class Row:
    """The values of one row and where it stands."""

    values: Mapping[str, object]
    """What was read, by field name; absent and None both mean that there is nothing."""
    names: Collection[str]
    """All fields that the row has, those included that are not read."""
    file: str
    number: int
    """The line in a text file, the row in a table; both from 1."""
    counted_in: str = "line"
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the file calls the classes that the numbers in a field stand for, by field."""

    @property
    def where(self) -> str:
        """File and line (`test.jsonl:17`), or file and row."""
        return self.place(self.number)

    def place(self, number: int) -> str:
        """Another line of the same file, in the same words."""
        return (
            line_of(self.file, number) if self.counted_in == "line" else f"{self.file} row {number}"
        )

    def error(
        self, problem: str, *, hint: str | None = None, fault: Fault = Fault.WRONG_LABEL
    ) -> RowError:
        """The error that says what is wrong with this row."""
        return RowError(self.where, problem, hint=hint, fault=fault)

    @property
    def all_names(self) -> list[str]:
        """Its fields as options name them: those within an object with dots."""
        return [path for name in self.names for path in _paths(name, self.values.get(name))]


def _paths(name: str, value: object) -> list[str]:
    if not isinstance(value, Mapping) or not value:
        return [name]
    return [path for key, inner in value.items() for path in _paths(f"{name}.{key}", inner)]


def value_within(values: Mapping[str, object], name: str) -> object:
    """What stands under a name, or where there is none under a path: of `a.b` the `b` in `a`.

    Example:
        >>> value_within({"review": {"body": "fine"}}, "review.body")
        'fine'
    """
    if name in values or "." not in name:
        return values.get(name)
    first, _, rest = name.partition(".")
    inner = values.get(first)
    return value_within(inner, rest) if isinstance(inner, Mapping) else None


def line_of(file: str, number: int) -> str:
    """A line as editors and compilers write it.

    Example:
        >>> line_of("test.jsonl", 17)
        'test.jsonl:17'
    """
    return f"{file}:{number}"


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
        """The number of a hash, if it has one."""
        if key in self._recent:
            return self._recent[key]
        place = self._place(key)
        return None if place is None else self._values[place]

    def set(self, key: int, value: int) -> None:
        """Give a hash a number, in place of any that it had."""
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


MAX_ROWS = 2**40
"""Of a file: where an id was first given out is the file's number and the row's in one."""


class Identities:
    """Every id given out so far, kept as 64-bit hashes."""

    def __init__(self) -> None:
        self._first_row = HashMap()
        self._occurrences = HashMap()
        self._files: list[Row] = []  # the first row of each, which says how it counts

    def claim(self, given: str, row: Row) -> str:
        """The data set's own id, once.

        Raises:
            RowError: An earlier row has it.
        """
        key = _hash(given)
        first = self._first_row.get(key)
        if first is not None:
            file, number = divmod(first, MAX_ROWS)
            problem = f"id {quoted(given)} is also that of {self._files[file].place(number)}"
            hint = "Ids must be unique; rows without one get a hash."
            raise row.error(problem, hint=hint, fault=Fault.REPEATED_ID)
        if not self._files or self._files[-1].file != row.file:
            self._files.append(row)
        self._first_row.set(key, (len(self._files) - 1) * MAX_ROWS + row.number)
        return given

    def derive(self, text: str, text_pair: str | None, row: Row) -> str:
        """The hash of the content, and which occurrence it is from the second on (`-1`, `-2`).

        Raises:
            RowError: An earlier row has this very id as its own.
        """
        content = content_id(text, text_pair)
        key = _hash(content)
        earlier = self._occurrences.get(key) or 0
        self._occurrences.set(key, earlier + 1)
        return self.claim(f"{content}-{earlier}" if earlier else content, row)


def content_id(text: str, text_pair: str | None) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of an example's content.

    Example:
        >>> content_id("a fine film", None)
        '6b0e87495d4c3943'
    """
    content = json.dumps([text, text_pair])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
