"""Examples that the caller holds: texts, mappings, a data set of `datasets`, or examples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from attn_audit.data.example import Example
from attn_audit.data.examples import examples_of
from attn_audit.data.fields import FieldNames
from attn_audit.data.formats.hub import hub_rows
from attn_audit.data.identity import Identities
from attn_audit.data.quoting import is_damaged, quoted
from attn_audit.data.rows import Row
from attn_audit.errors import RowError, UnreadableDataError

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
        fields: What fields are called.
        label_map: New names of labels.

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
        identities.claim(_text(row, "id", example.id), row)
        _text(row, "text", example.text)
        if example.text_pair is not None:
            _text(row, "text_pair", example.text_pair)
        for name in ("labels", "candidates"):
            _require_names(row, name, getattr(example, name))
        yield example if example.where else replace(example, where=row.where)


def _text(row: Row, name: str, value: object) -> str:
    if not isinstance(value, str):
        raise row.error(f"{name} must be a string, not {quoted(value)}")
    if not value.strip():
        raise row.error(f"{name} is blank")
    if is_damaged(value):
        raise row.error(f"{name} is not valid Unicode: {quoted(value)}")
    return value


def _require_names(row: Row, name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, tuple) or not all(isinstance(each, str) for each in value):
        raise row.error(
            f"{name} must be a tuple of names, not {quoted(value)}",
            hint="Say (name,) for one label; mappings may hold numbers and lists.",
        )
