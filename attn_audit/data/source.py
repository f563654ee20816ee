"""A data set as the user names it and as it was found; its rows, as every format gives them."""

import hashlib
import json
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Literal, TypeVar

from attn_audit.errors import Fault, RowError
from attn_audit.quoting import listed, quoted
from attn_audit.settings import MESSAGES, AuditedTexts

Read = TypeVar("Read")

N_PEEKED = 32
"""Rows at the beginning of the data by which things are decided: texts of the trial are theirs."""


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The data set's own names for what an example is made of."""

    id: str = "id"
    text: str = "text"
    text_pair: str = "text_pair"
    label: str = "label"
    labels: str = "labels"
    candidates: str = "candidates"
    ignored: Collection[str] = ()
    """Of `id` and `label`: what is not read, whatever it is called."""
    rationale: str | None = None
    """None: it is not read, whatever stands there."""
    shown: tuple[str, ...] = ()
    """Fields of scores that a product shows."""
    audited: AuditedTexts = "first"
    """Of pairs: whose rationale is read, and whose scores are."""
    prompt: tuple[str, ...] | None = None
    """Fields that stand beside the text in a prompt; there is then no second text. None: there is
    no prompt."""
    role: str | None = None
    """Whose last message is audited, where the field of the text holds a chat; None: a text."""

    def wanted(
        self, names: Sequence[str], where: str, may_be_flags: Collection[str] = ()
    ) -> list[str]:
        """Those columns of a table that are read; everything else in a data set is left alone.

        Args:
            may_be_flags: Those that may say yes or no, which are read where none holds labels.

        Raises:
            RowError: None of them holds the text.
        """
        ours = {getattr(self, role) for role in ROLES}
        if self.text not in names:
            outermost = self.text.partition(".")[0]
            if outermost == self.text or outermost not in names:
                problem, hint = missing_field("text", self.text, names)
                raise RowError(where, problem, hint=hint)
        marked = filter(None, (self.rationale, self.rationale_pair))
        ours |= {*self.shown, *(self.prompt or ()), *marked}
        ours |= {name.partition(".")[0] for name in ours if name not in names}
        flags = () if self.hold_labels(names) else may_be_flags
        return [name for name in names if name in ours or name in flags]

    @property
    def rationale_pair(self) -> str | None:
        """The field of what people marked in the second text; None: it is not read."""
        is_read = self.rationale is not None and self.audited != "first"
        return f"{self.rationale}_pair" if is_read else None

    def hold_labels(self, names: Collection[str]) -> bool:
        """Whether one of a data set's fields is that of labels, or none is looked for."""
        ours = {self.label, self.labels}
        ours |= {name.partition(".")[0] for name in ours}
        return "label" in self.ignored or not ours.isdisjoint(names)

    @property
    def of_one_label(self) -> str | None:
        """The field of one label; None where its name was given to the field of several."""
        is_given_away = self.labels == self.label == "label"
        return None if is_given_away or "label" in self.ignored else self.label

    @property
    def of_several_labels(self) -> str | None:
        """The field of several labels; None where its name was given to the field of one."""
        is_taken = self.labels == self.of_one_label or "label" in self.ignored
        return None if is_taken else self.labels

    def renamed(self) -> dict[str, str]:
        """The optional fields that were given another name, by role."""
        names = {role: getattr(self, role) for role in ROLES if role != "text"}
        return {role: name for role, name in names.items() if name != role}


_NO_ROLES = ("ignored", "rationale", "shown", "audited", "prompt", "role")
ROLES = tuple(field.name for field in fields(FieldNames) if field.name not in _NO_ROLES)
"""What a field can be: id, text, text_pair, label, labels, candidates."""


def missing_field(role: str, name: str, names: Iterable[str]) -> tuple[str, str]:
    """The sentence and the hint for a field that is not there.

    Example:
        >>> missing_field("text", "text", ["txt", "label"])
        ("no field 'text' (fields: txt, label)", 'Name it with --text-field.')
    """
    flag, every = f"--{role.replace('_', '-')}-field", tuple(names)
    hint = f"Name it with {flag}."
    if role == "text" and name != MESSAGES and MESSAGES in every:
        hint += f" Of {MESSAGES}, a chat, say --chat without --prompt."
    return f"no field {quoted(name)} (fields: {listed(every)})", hint


Quoting = Literal["auto", "none", "csv"]


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set as the user names it."""

    location: str
    """A file, a pattern of several, `-`, a folder of splits, a URL of either, or a HuggingFace data
    set's name (`owner/name:config`)."""
    split: str = "test"
    """Which split of a folder or hub data set; `dev` and `validation` are one. Files ignore it."""
    fields: FieldNames = field(default_factory=FieldNames)
    label_map: Mapping[str, str] = field(default_factory=dict)
    """New names of labels, applied to gold labels and candidates; others keep their own. Of one
    that has no new name, rows are left out."""
    max_unpacked_mb: int | None = None
    """How much a packed file may hold; None: what is likely for its size."""
    more: tuple[str, ...] = ()
    """Other locations, whose rows come behind these."""
    quoting: Quoting = "auto"
    """Whether cells of a table are quoted; `auto`: in CSV, and in TSV if the whole file says so."""


class SourceKind(StrEnum):
    """Where examples can come from."""

    FILE = "file"
    STANDARD_INPUT = "standard input"
    SAVED = "saved data set"
    HUB = "hub data set"


@dataclass(frozen=True, slots=True)
class ResolvedSource:
    """The one file, stream or data set that a `DataSource` turned out to be."""

    kind: SourceKind
    name: str
    """What messages call it: the file's name, `<stdin>`, or the hub's name with its split."""
    location: str
    """The path of the file or folder that was found, `-`, or the hub's name."""
    split: str | None = None
    """The split asked of a hub; None where the location says it all."""
    more: tuple["ResolvedSource", ...] = ()
    """Other files, read behind it as if all were one."""


class WrongValueError(ValueError):
    """A value is not what its field holds; says what it is instead, and what to do."""

    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(problem)
        self.hint = hint


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

    def read(
        self, name: str, fault: Fault, read: Callable[..., Read], *given: object, of: str = ""
    ) -> Read:
        """What is read of a field.

        Args:
            of: Whose it is, behind the field's name.

        Raises:
            RowError: `read` finds a value wrong.
        """
        try:
            return read(*given)
        except WrongValueError as error:
            problem = f"{quoted(name)}{of} {error}"
            raise self.error(problem, hint=error.hint, fault=fault) from error

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
