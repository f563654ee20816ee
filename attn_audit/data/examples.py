"""From rows to examples: what must be there, what may be, and what contradicts itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from attn_audit.data.example import Example
from attn_audit.data.fields import FieldNames, missing_field
from attn_audit.data.gold import GoldLabels, Labels, LookAhead
from attn_audit.data.identity import Identities
from attn_audit.data.labelling import is_no_label
from attn_audit.data.labels import NotALabelError, class_name, label_name
from attn_audit.data.quoting import is_damaged, listed, quoted
from attn_audit.data.rows import Row
from attn_audit.errors import UnreadableDataError


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
        label_map: New names of labels.
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
