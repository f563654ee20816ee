"""Examples that the caller holds: texts, mappings, a data set of `datasets`, or examples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from attn_audit.data.example import Example
from attn_audit.data.examples import examples_of, problem_of_text
from attn_audit.data.fields import FieldNames
from attn_audit.data.formats.hub import hub_rows
from attn_audit.data.identity import Identities
from attn_audit.data.quoting import quoted
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
