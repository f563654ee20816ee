"""Examples out of any data set or out of memory, one at a time. The door to this folder."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from attn_audit.data.example import Example
from attn_audit.data.formats.base import FileFormat
from attn_audit.data.formats.hub import hub_fingerprint, hub_rows, load_from_hub, load_saved
from attn_audit.data.formats.lines import StandardInput
from attn_audit.data.formats.registry import FORMATS
from attn_audit.data.gold import GoldLabels, Labels, LookAhead
from attn_audit.data.labels import NotALabelError, class_name, is_no_label, label_name
from attn_audit.data.location import look_over_file, resolve, suffix_of
from attn_audit.data.rows import Identities, Row
from attn_audit.data.source import DataSource, FieldNames, ResolvedSource, SourceKind, missing_field
from attn_audit.errors import RowError, UnreadableDataError
from attn_audit.files import AnyPath, located
from attn_audit.quoting import is_damaged, listed, quoted


def read_examples(source: DataSource) -> Iterator[Example]:
    """The examples of a data set in its own order, with flat memory.

    What can be found out without reading (no such file, no such split) is raised at once, the rest
    where it stands; what is wrong in the first rows at the first, where that has no label.

    Args:
        source: Where the data lies, and what its fields and labels are called.

    Raises:
        DataNotFoundError: Nothing is there.
        SplitNotFoundError: The folder has no such split.
        UnreadableDataError: The file cannot be read as what its name says, or holds no examples.
        RowError: A row is wrong; names file and line.
    """
    found = resolve(source)
    rows, look_ahead = _rows(found, source)
    return examples_of(rows, found.name, source.fields, source.label_map, look_ahead)


@dataclass(frozen=True)
class Content:
    """What is known of a data set before its rows are read."""

    fingerprint: str | None
    """The file's SHA-256, a HuggingFace data set's own fingerprint; None for standard input, which
    cannot be read twice."""
    n_rows: int | None
    """About how many there are: of a text file its lines; None where they are packed, or not there
    yet."""


def look_over(found: ResolvedSource) -> Content:
    """What identifies the content, and how much there is of it.

    Args:
        found: What `resolve` found.

    Raises:
        UnreadableDataError: The data set cannot be read.
    """
    match found.kind:
        case SourceKind.FILE:
            path = located(found.location)
            sha256, n_lines = look_over_file(path)
            return Content(sha256, _format_of(path).n_rows(path, n_lines))
        case SourceKind.SAVED:
            dataset = load_saved(found.location)
        case SourceKind.HUB:
            dataset = load_from_hub(found.location, found.split or "test")
        case SourceKind.STANDARD_INPUT:
            return Content(None, None)
    return Content(hub_fingerprint(dataset), len(dataset))


def _rows(found: ResolvedSource, source: DataSource) -> tuple[Iterator[Row], LookAhead]:
    """The rows, and a way to read them before their turn."""
    if found.kind is SourceKind.STANDARD_INPUT:
        stream = StandardInput(found.name)
        return stream.rows(), stream.rows_behind
    from_the_beginning = _reader(found, source)
    return from_the_beginning(), lambda _: from_the_beginning()


def _reader(found: ResolvedSource, source: DataSource) -> Callable[[], Iterator[Row]]:
    if found.kind is SourceKind.FILE:
        path = located(found.location)
        return partial(_format_of(path).rows, path, found.name, source)
    if found.kind is SourceKind.SAVED:
        dataset = load_saved(found.location)
    else:
        dataset = load_from_hub(found.location, found.split or "test")
    return partial(hub_rows, dataset, found.name, source.fields)


def _format_of(path: AnyPath) -> FileFormat:
    suffix = suffix_of(path)
    assert suffix is not None, "only files of a known kind are resolved"
    return FORMATS[suffix]


def examples_of(
    rows: Iterator[Row],
    name: str,
    fields: FieldNames,
    label_map: Mapping[str, str],
    look_ahead: LookAhead,
) -> Iterator[Example]:
    """The example that each row is.

    Args:
        rows: In the data set's order.
        name: What messages call the data set.
        fields: What its fields are called.
        look_ahead: For where the rows to come say what a number means.

    Raises:
        RowError: A row lacks its text, contradicts itself, or has the id of an earlier one.
        UnreadableDataError: There are no rows.
    """
    first = next(rows, None)
    if first is None:
        raise UnreadableDataError(name, "it holds no examples")
    _require_renamed_fields(first, fields)
    reader = _RowReader(fields, GoldLabels.of(first, fields, label_map, look_ahead))
    yield reader.example(first)
    for row in rows:
        yield reader.example(row)


def _require_renamed_fields(row: Row, fields: FieldNames) -> None:
    for role, name in fields.renamed().items():
        if name not in row.names:
            problem, hint = missing_field(role, name, row.names)
            raise row.error(f"row has {problem}", hint=hint)


@dataclass(frozen=True, slots=True)
class _RowReader:
    fields: FieldNames
    gold: GoldLabels
    identities: Identities = field(default_factory=Identities)

    def example(self, row: Row) -> Example:
        text = self._text(row)
        text_pair = _string(row, self.fields.text_pair)
        labels, on = self.gold.of_row(row)
        candidates = self._candidates(row)
        if on is None:
            _require_admissible(row, labels, candidates)
        name, labelling = self._id(row, text, text_pair), self.gold.labelling
        return Example(name, text, text_pair, labels, candidates, row.where, on, labelling)

    def _text(self, row: Row) -> str:
        if self.fields.text not in row.names:
            problem, hint = missing_field("text", self.fields.text, row.names)
            raise row.error(f"row has {problem}", hint=hint)
        text = _string(row, self.fields.text)
        if text is None:
            raise row.error(f"{quoted(self.fields.text)} is null")
        return text

    def _id(self, row: Row, text: str, text_pair: str | None) -> str:
        value = _value(row, self.fields.id)
        if value is None:
            return self.identities.derive(text, text_pair, row)
        try:
            return self.identities.claim(label_name(value), row)
        except NotALabelError as error:
            raise row.error(f"{quoted(self.fields.id)} {error}") from error

    def _candidates(self, row: Row) -> Labels | None:
        values = row.values.get(self.fields.candidates)
        names = self.gold.names(row, self.fields.candidates, values)
        if names == ():
            raise row.error(f"{quoted(self.fields.candidates)} is empty")
        return names


def _value(row: Row, name: str) -> object:
    """What stands in a field, the number of a class by its name."""
    value, classes = row.values.get(name), row.classes.get(name, ())
    if classes and is_no_label(value):
        return None
    try:
        return class_name(value, classes)
    except NotALabelError as error:
        raise row.error(f"{quoted(name)} {error}", hint=error.hint) from error


def _string(row: Row, name: str) -> str | None:
    value = _value(row, name)
    if value is None:
        return None
    problem = problem_of_text(value)
    if problem is not None:
        raise row.error(f"{quoted(name)} {problem}")
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
            raise row.error(f"{problem} ({listed(candidates)})")


NAME = "data"
"""What messages call it, as `attn_audit.audit` does."""


def examples_in_memory(
    items: Iterable[Example | Mapping[str, object] | str],
    fields: FieldNames,
    label_map: Mapping[str, str],
) -> Iterable[Example]:
    """The examples that some items are, held to what a file is held to.

    Args:
        items: Texts alone, rows by field name, a `datasets.Dataset`, or examples.

    Raises:
        RowError: An item is wrong; names its place, from 1.
        UnreadableDataError: There are no items.
    """
    rows = _Rows(items, fields)
    if rows.are_examples:
        checked = _checked_examples(rows.items)
        return list(checked) if isinstance(items, Sequence) else checked
    return list(examples_of(iter(rows), NAME, fields, label_map, lambda _: iter(rows)))


@dataclass
class _Rows:
    """Items as rows, as often as they are asked for."""

    items: Iterable[object]
    fields: FieldNames
    are_examples: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.items, str | bytes | Mapping):
            raise UnreadableDataError(NAME, f"{quoted(self.items)} is one item, not many")
        if hasattr(self.items, "column_names"):  # a datasets.Dataset
            return
        iterator = iter(self.items)
        first = next(iterator, None)
        if first is None:
            raise UnreadableDataError(NAME, "it holds no examples")
        self.are_examples = isinstance(first, Example)
        rest = chain([first], iterator)
        self.items = rest if self.are_examples else list(rest)

    def __iter__(self) -> Iterator[Row]:
        if hasattr(self.items, "column_names"):
            return hub_rows(self.items, NAME, self.fields)
        return (self._row(item, number) for number, item in enumerate(self.items, start=1))

    def _row(self, item: object, number: int) -> Row:
        if isinstance(item, str):
            item = {self.fields.text: item}
        if not isinstance(item, Mapping):
            raise RowError(
                f"{NAME} row {number}",
                f"{quoted(item)} is neither a text nor a mapping of fields nor an Example",
            )
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in item.items()}
        return Row(values, tuple(values), NAME, number, "row")


def _checked_examples(examples: Iterable[object]) -> Iterator[Example]:
    identities = Identities()
    for number, example in enumerate(examples, start=1):
        row = Row({}, (), NAME, number, "row")
        if not isinstance(example, Example):
            raise row.error(f"{quoted(example)} is no Example, as those before it are")
        for name in ("id", "text", "text_pair"):
            value = getattr(example, name)
            problem = problem_of_text(value)
            if problem is not None and not (name == "text_pair" and value is None):
                raise row.error(f"{name} {problem}")
        identities.claim(example.id, row)
        for name in ("labels", "candidates"):
            _require_names(row, name, getattr(example, name))
        yield example if example.where else replace(example, where=row.where)


def _require_names(row: Row, name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, tuple) or not all(isinstance(each, str) for each in value):
        raise row.error(
            f"{name} must be a tuple of names, not {quoted(value)}",
            hint="Say (name,) for one label; mappings may hold numbers and lists.",
        )
