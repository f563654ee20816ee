"""Examples out of any data set or out of memory, one at a time. The door to this folder."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from io import IOBase
from typing import Any, TypeVar

from attn_audit.data.example import Example
from attn_audit.data.formats.arrow import hub_fingerprint, hub_rows, load_from_hub, load_saved
from attn_audit.data.formats.lines import StandardInput
from attn_audit.data.labels import (
    GoldLabels,
    Labels,
    NotALabelError,
    class_name,
    is_no_label,
    plain_name,
)
from attn_audit.data.location import READERS, fingerprint_of, resolve, suffix_of
from attn_audit.data.prompts import Chat, read_chat
from attn_audit.data.skipped_rows import SkippedRows
from attn_audit.data.source import (
    DataSource,
    FieldNames,
    Identities,
    Row,
    SourceKind,
    WrongValueError,
    missing_field,
    value_within,
)
from attn_audit.data.spans import Scores, Span, read_rationale, read_scores
from attn_audit.errors import Fault, RowError, UnreadableDataError
from attn_audit.files import AnyPath, located
from attn_audit.quoting import is_damaged, listed, quoted

OfText = TypeVar("OfText")

RowOrError = Row | RowError
"""Of a row that is wrong, and alone, what is wrong with it."""


@dataclass(frozen=True)
class DataSet:
    """A data set that was found, to be read as often as one likes."""

    name: str
    """What messages call it."""
    split: str | None
    fingerprint: Callable[[], str | None]
    """The SHA-256 of its files, a HuggingFace data set's own fingerprint; None in memory and for
    standard input."""
    read: Callable[[SkippedRows | None], Iterator[Example]]

    def examples(self, left_out: SkippedRows | None = None) -> Iterator[Example]:
        """The examples in the data set's own order, with flat memory.

        Rows that are wrong are left out and counted where `left_out` is given.

        Raises:
            UnreadableDataError: It cannot be read as what its name says, or holds no rows.
            RowError: A row is wrong, and none may be; or it concerns those behind it too.
        """
        return self.read(left_out)


def find_data(source: DataSource) -> DataSet:
    """The data set that `source` names; rows are read when they are asked for.

    Raises:
        DataNotFoundError: Nothing is there.
        SplitNotFoundError: The folder has no such split.
        UnreadableDataError: It cannot be read.
    """
    found = resolve(source)
    fingerprint: Callable[[], str | None] = _none
    match found.kind:
        case SourceKind.FILE:
            files = [(located(each.location), each.name) for each in (found, *found.more)]
            fingerprint = partial(fingerprint_of, [path for path, _ in files])
            rows: Callable[[], Iterator[RowOrError]] = partial(_of_files, files, source)
        case SourceKind.STANDARD_INPUT:
            rows = StandardInput(found.name).rows
        case _:
            is_saved = found.kind is SourceKind.SAVED
            load = load_saved if is_saved else partial(load_from_hub, split=found.split or "test")
            dataset = load(found.location)
            fingerprint = partial(hub_fingerprint, dataset)
            rows = partial(hub_rows, dataset, found.name, source.fields)
    read = partial(examples_of, rows, found.name, source.fields, source.label_map)
    name = f"{found.name} and {len(found.more)} more" if found.more else found.name
    return DataSet(name, found.split, fingerprint, read)


def read_examples(source: DataSource) -> Iterator[Example]:
    """The examples of a data set, the first row that is wrong an error.

    Raises:
        DataError: As `find_data` and `DataSet.examples`.
    """
    return find_data(source).examples()


def _none() -> None:
    """Of what can be read once alone."""


def _of_files(files: Iterable[tuple[AnyPath, str]], source: DataSource) -> Iterator[RowOrError]:
    for path, name in files:
        suffix = suffix_of(path)
        assert suffix is not None, "only files of a known kind are resolved"
        yield from READERS[suffix](path, name, source)


def examples_of(
    read_rows: Callable[[], Iterator[RowOrError]],
    name: str,
    fields: FieldNames,
    label_map: Mapping[str, str],
    left_out: SkippedRows | None,
) -> Iterator[Example]:
    """The example that each row is.

    Raises:
        RowError: A row lacks its text, contradicts itself, or has the id of an earlier one.
        UnreadableDataError: There are no rows.
    """

    def look_ahead() -> Iterator[Row]:
        return (row for row in read_rows() if isinstance(row, Row))

    reader, n_rows = None, 0
    for n_rows, row in enumerate(read_rows(), start=1):  # noqa: B007
        if left_out is not None:
            left_out.n_rows += 1
        if reader is None and isinstance(row, Row):
            _require_renamed_fields(row, fields)
            reader = _RowReader(fields, GoldLabels.of(row, fields, label_map, look_ahead))
        try:
            if isinstance(row, RowError):
                raise row
            assert reader is not None
            example = reader.example(row)
        except RowError as error:
            if left_out is not None:
                left_out.add(error, error.where)
            elif error.fault is not Fault.UNWANTED_LABEL:
                raise
        else:
            yield example
    if not n_rows:
        raise UnreadableDataError(name, "it holds no examples")


def _require_renamed_fields(row: Row, fields: FieldNames) -> None:
    for role, name in fields.renamed().items():
        outermost = name.partition(".")[0]
        if name not in row.names and (outermost == name or outermost not in row.names):
            problem, hint = missing_field(role, name, row.all_names)
            raise row.error(f"row has {problem}", hint=hint)


@dataclass(frozen=True, slots=True)
class _RowReader:
    fields: FieldNames
    gold: GoldLabels
    identities: Identities = field(default_factory=Identities)

    def example(self, row: Row) -> Example:
        fields, audited = self.fields, self.fields.audited
        chat = self._chat(row)
        text = self._text(row) if chat is None else chat.text
        text_pair = None if fields.prompt is not None else _string(row, fields.text_pair)
        labels, on = self.gold.of_row(row)
        candidates = self.gold.candidates(row)
        if candidates == ():
            problem = f"{quoted(fields.candidates)} is empty"
            raise row.error(problem, fault=Fault.WRONG_CANDIDATES)
        if on is None:
            _require_admissible(row, labels, candidates)
        name, labelling = self._id(row, text, text_pair), self.gold.labelling
        of = "" if _value(row, fields.id) is None else f" of example {quoted(name)}"
        marked = fields.rationale if audited != "second" else None
        scored = text_pair if audited == "second" else text
        return Example(
            *(name, text, text_pair, labels, candidates, row.where, on, labelling),
            *(_rationale(row, marked, text, of), self._shown(row, scored, of)),
            {name: self._of_prompt(row, name) for name in fields.prompt or ()},
            rationale_pair=_rationale(row, fields.rationale_pair, text_pair, of),
            chat=chat,
        )

    def _chat(self, row: Row) -> Chat | None:
        value, role = value_within(row.values, self.fields.text), self.fields.role
        if role is None or value is None:
            return None
        return row.read(self.fields.text, Fault.WRONG_MESSAGES, read_chat, value, role)

    def _of_prompt(self, row: Row, name: str) -> str:
        value = _value(row, name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value)
        if value is None and name not in row.all_names:
            problem, _ = missing_field("text", name, row.all_names)
            hint = "The prompt names it: give it to every row, or leave it out of the prompt."
            raise row.error(f"row has {problem}", hint=hint, fault=Fault.NO_TEXT)
        problem = f"{quoted(name)} must be a string or a number, not {quoted(value)}"
        raise row.error(problem, fault=Fault.NO_TEXT)

    def _shown(self, row: Row, text: str | None, of: str) -> dict[str, Scores]:
        found = {
            name: _of_text(row, name, text, of, read_scores, Fault.WRONG_SCORES)
            for name in self.fields.shown
        }
        return {name: scores for name, scores in found.items() if scores is not None}

    def _text(self, row: Row) -> str:
        text = _string(row, self.fields.text)
        if text is not None:
            return text
        if self.fields.text in row.all_names:
            raise row.error(f"{quoted(self.fields.text)} is null", fault=Fault.NO_TEXT)
        problem, hint = missing_field("text", self.fields.text, row.all_names)
        raise row.error(f"row has {problem}", hint=hint, fault=Fault.NO_TEXT)

    def _id(self, row: Row, text: str, text_pair: str | None) -> str:
        value = None if "id" in self.fields.ignored else _value(row, self.fields.id)
        if value is None:
            return self.identities.derive(text, text_pair, row)
        try:
            return self.identities.claim(plain_name(value), row)
        except NotALabelError as error:
            problem = f"{quoted(self.fields.id)} {error}"
            raise row.error(problem, fault=Fault.WRONG_ID) from error


def _rationale(row: Row, name: str | None, text: str | None, of: str) -> tuple[Span, ...]:
    return _of_text(row, name, text, of, read_rationale, Fault.WRONG_RATIONALE) or ()


def _of_text(
    row: Row,
    name: str | None,
    text: str | None,
    of: str,
    read: Callable[[object, str], OfText],
    fault: Fault,
) -> OfText | None:
    """What a field says of the text; None where there is no such field, or nothing in it."""
    value = None if name is None else value_within(row.values, name)
    if value is None or name is None or text is None:
        return None
    return row.read(name, fault, read, value, text, of=of)


def _value(row: Row, name: str) -> object:
    """What stands in a field, the number of a class by its name."""
    value, classes = value_within(row.values, name), row.classes.get(name, ())
    if not classes or is_no_label(value):
        return None if classes else value
    return row.read(name, Fault.UNREADABLE, class_name, value, classes)


def _string(row: Row, name: str) -> str | None:
    value = _value(row, name)
    if value is None:
        return None
    problem = problem_of_text(value)
    if problem is not None:
        raise row.error(f"{quoted(name)} {problem}", fault=Fault.NO_TEXT)
    return str(value)


def problem_of_text(value: object) -> str | None:
    """Why a value is no text that can be audited; None where it is one."""
    if not isinstance(value, str):
        return f"must be a string, not {quoted(value)}"
    if not value.strip():
        return "is blank"
    return f"is not valid Unicode: {quoted(value)}" if is_damaged(value) else None


def _require_admissible(row: Row, labels: Labels | None, candidates: Labels | None) -> None:
    if candidates is None:
        return
    for label in labels or ():
        if label not in candidates:
            problem = f"label {quoted(label)} is not among the candidates"
            raise row.error(f"{problem} ({listed(candidates)})", fault=Fault.WRONG_CANDIDATES)


NAME = "data"
"""What messages call it, as `attn_audit.audit` does."""


def data_in_memory(
    items: Iterable[Example | Mapping[str, object] | str],
    fields: FieldNames,
    label_map: Mapping[str, str],
) -> DataSet:
    """The data set that texts, rows, a `datasets.Dataset` or examples are, held to the same rules.

    Raises:
        UnreadableDataError: There are no items.
    """
    rows = _Rows(items, fields)
    if rows.are_examples:
        read = partial(_checked_examples, rows.items)
    else:
        read = partial(examples_of, rows.__iter__, NAME, fields, label_map)
    return DataSet("examples in memory", None, _none, read)


@dataclass
class _Rows:
    """Items as rows, as often as they are asked for."""

    items: Iterable[object]
    fields: FieldNames
    are_examples: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.items, str | bytes | Mapping):
            raise UnreadableDataError(NAME, f"{quoted(self.items)} is one item, not many")
        if isinstance(self.items, IOBase):  # its lines would be read as texts, whatever they hold
            raise UnreadableDataError(NAME, "it is an open file", hint="Give its path.")
        if hasattr(self.items, "columns") and hasattr(self.items, "notna"):  # a pandas.DataFrame
            frame: Any = self.items
            self.items = frame.astype(object).where(frame.notna(), None).to_dict("records")
        if hasattr(self.items, "column_names"):  # a datasets.Dataset
            return
        iterator = iter(self.items)
        first = next(iterator, None)
        if first is None:
            raise UnreadableDataError(NAME, "it holds no examples")
        self.are_examples = isinstance(first, Example)
        self.items = [first, *iterator]

    def __iter__(self) -> Iterator[RowOrError]:
        if hasattr(self.items, "column_names"):
            return hub_rows(self.items, NAME, self.fields)
        return (self._row(item, number) for number, item in enumerate(self.items, start=1))

    def _row(self, item: object, number: int) -> RowOrError:
        if isinstance(item, str):
            item = {self.fields.text: item}
        if not isinstance(item, Mapping):
            return RowError(
                f"{NAME} row {number}",
                f"{quoted(item)} is neither a text nor a mapping of fields nor an Example",
            )
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in item.items()}
        return Row(values, tuple(values), NAME, number, "row")


def _checked_examples(
    examples: Iterable[object], left_out: SkippedRows | None
) -> Iterator[Example]:
    identities = Identities()
    for number, example in enumerate(examples, start=1):
        row = Row({}, (), NAME, number, "row")
        if left_out is not None:
            left_out.n_rows += 1
        try:
            checked = _checked(example, row, identities)
        except RowError as error:
            if left_out is None:
                raise
            left_out.add(error, error.where)
        else:
            yield checked


def _checked(example: object, row: Row, identities: Identities) -> Example:
    if not isinstance(example, Example):
        wrong = f"{quoted(example)} is no Example, as those before it are"
        raise row.error(wrong, fault=Fault.UNREADABLE)
    for name in ("id", "text", "text_pair"):
        value = getattr(example, name)
        problem = problem_of_text(value)
        if problem is not None and not (name == "text_pair" and value is None):
            fault = Fault.WRONG_ID if name == "id" else Fault.NO_TEXT
            raise row.error(f"{name} {problem}", fault=fault)
    of_second = ("rationale_pair", example.text_pair or "")
    for name, text in (("rationale", example.text), of_second):
        try:
            read_rationale([*getattr(example, name)], text)
        except WrongValueError as error:
            raise row.error(f"{name} {error}", fault=Fault.WRONG_RATIONALE) from error
    identities.claim(example.id, row)
    for name in ("labels", "candidates"):
        _require_names(row, name, getattr(example, name))
    return example if example.where else replace(example, where=row.where)


def _require_names(row: Row, name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, tuple) or not all(isinstance(each, str) for each in value):
        raise row.error(
            f"{name} must be a tuple of names, not {quoted(value)}",
            hint="Say (name,) for one label; mappings may hold numbers and lists.",
        )
