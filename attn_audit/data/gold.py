"""The gold labels of a row: what a number or a list means where all rows decide it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from attn_audit.data.example import N_PEEKED
from attn_audit.data.labels import (
    NO_LABEL,
    SIGNS,
    Labelling,
    Lists,
    NotALabelError,
    as_list,
    bit,
    holds_no_label,
    is_no_label,
    label_names,
    repeated_number,
    survey_flags,
    survey_lists,
    survey_signs,
)
from attn_audit.data.rows import Row, value_within
from attn_audit.data.source import ROLES, FieldNames
from attn_audit.errors import Fault
from attn_audit.quoting import quoted

Labels = tuple[str, ...]
Places = tuple[int, ...]

LookAhead = Callable[[], Iterator[Row]]
"""All rows once more; read while the examples wait."""


@dataclass(slots=True)
class GoldLabels:
    """Reads gold labels, and looks ahead where the rows to come say what they mean."""

    fields: FieldNames
    label_map: Mapping[str, str]
    look_ahead: LookAhead
    labelling: Labelling
    """What is known of the whole data set so far."""
    lists: Lists | None = None
    """What its lists have in common, from the first of them on."""
    seen: set[str] = field(default_factory=set)
    """Its labels so far, no more than it takes to know that they are no signs."""

    @staticmethod
    def of(
        first: Row, fields: FieldNames, label_map: Mapping[str, str], look_ahead: LookAhead
    ) -> "GoldLabels":
        """For a data set, with what its first row tells, or the first rows if it has no label."""
        if not fields.hold_labels(first.names):
            labelling = _labels_elsewhere(list(islice(look_ahead(), N_PEEKED)), fields)
            return GoldLabels(fields, label_map, look_ahead, labelling)
        of_labels = (first.classes.get(name) for name in (fields.label, fields.labels))
        classes = next(filter(None, of_labels), ())
        labelling = Labelling(classes=tuple(label_map.get(name) or name for name in classes))
        return GoldLabels(fields, label_map, look_ahead, labelling)

    def of_row(self, row: Row) -> tuple[Labels | None, Places | None]:
        """The labels, and of a list that may be multi-hot the places that are on.

        Raises:
            RowError: The row contradicts itself, or what stands there is no label.
        """
        one_field, several_field = self.fields.of_one_label, self.fields.of_several_labels
        one = None if one_field is None else value_within(row.values, one_field)
        several = (
            None if several_field is None else as_list(value_within(row.values, several_field))
        )
        if one is not None and several is not None:
            both = f"{quoted(one_field)} and {quoted(several_field)}"
            raise row.error(f"row has both {both}", hint="Keep one of them.")
        if one_field is not None and one is not None:
            return self._wanted(row, self._one(row, one_field, one)), None
        if several_field is None or several is None:
            return None, None
        if holds_no_label(several):
            return self._one(row, several_field, NO_LABEL), None
        labels, on = self._several(row, several_field, several)
        return self._wanted(row, labels), on

    def _wanted(self, row: Row, labels: Labels | None) -> Labels | None:
        if "" in (labels or ()):
            raise row.error("its label is mapped to nothing", fault=Fault.UNWANTED_LABEL)
        return labels

    def candidates(self, row: Row) -> Labels | None:
        """What the answers that may be given are called.

        Raises:
            RowError: It is no list, or an item of it is no label.
        """
        values = as_list(value_within(row.values, self.fields.candidates))
        label_map = {old: new for old, new in self.label_map.items() if new}
        return self._names(row, self.fields.candidates, values, label_map, Fault.WRONG_CANDIDATES)

    def _names(
        self,
        row: Row,
        field_name: str,
        values: object,
        label_map: Mapping[str, str] | None = None,
        fault: Fault = Fault.WRONG_LABEL,
    ) -> Labels | None:
        """What the labels in a list are called, whatever the other rows hold."""
        new = self.label_map if label_map is None else label_map
        try:
            classes = row.classes.get(field_name, ())
            return None if values is None else label_names(values, new, classes)
        except NotALabelError as error:
            problem = f"{quoted(field_name)} {error}"
            raise row.error(problem, hint=error.hint, fault=fault) from error

    def _one(self, row: Row, name: str, value: object) -> Labels | None:
        if not is_no_label(value) or NO_LABEL in self.label_map:
            labels = self._names(row, name, [as_list(value)])
            if self.seen <= SIGNS:
                self.seen.update(labels or ())
            return labels
        if name in row.classes:
            return None
        if self.labelling.signs is None:
            self.labelling = replace(self.labelling, signs=self._signs(row, name))
        return (NO_LABEL,)

    def _signs(self, row: Row, name: str) -> frozenset[str]:
        if SIGNS & self.label_map.keys():
            return frozenset()
        return survey_signs(self.look_ahead(), name, {*self.seen, NO_LABEL})

    def _several(self, row: Row, name: str, values: object) -> tuple[Labels | None, Places | None]:
        if self.lists is None:
            self._survey(row, name)
        if not self.labelling.places or not isinstance(values, list):
            self._require_numbers(row, name, values)
            return self._names(row, name, values), None
        on = tuple(place for place, value in enumerate(values) if bit(value))
        if any(self.labelling.places[place] == "" for place in on):
            return ("",), on
        if not self.labelling.is_multi_hot:
            return self._names(row, name, values), on
        return tuple(self.labelling.name_of(place) for place in on), on

    def _survey(self, row: Row, name: str) -> None:
        """Decide for all rows what their lists are; where this one shows it, by it alone."""
        self.lists = survey_lists([row], name)
        if self.lists.width is None:
            return
        self.lists = survey_lists(self.look_ahead(), name)
        width, classes = self.lists.width, row.classes.get(name, ())
        are_class_numbers = classes and not (self.lists.no_numbers and width == len(classes))
        if width is None or are_class_numbers:
            return
        names = classes or (None,) * width
        places = (self.label_map.get(n or str(i), n) for i, n in enumerate(names))
        self.labelling = replace(
            self.labelling, places=tuple(places), is_multi_hot=self.lists.no_numbers
        )

    def _require_numbers(self, row: Row, name: str, values: object) -> None:
        """Of lists that are not multi-hot: none may look as if it were."""
        assert self.lists is not None
        twice = repeated_number(values)
        if twice is not None:
            but_for = f" (not all lists are multi-hot: {self.lists.but_for})"
            raise row.error(
                f"{quoted(name)} holds {twice} more than once, as label numbers cannot"
                + (but_for if self.lists.but_for else ""),
                hint="Lists of 0 and 1 must all have one item for each of the model's labels.",
            )
        some = isinstance(values, list) and any(map(is_no_label, values))
        if some and NO_LABEL not in self.label_map:
            problem = f"{quoted(name)} holds -1, which is no label, beside labels"
            raise row.error(problem, hint="Leave it out.")


def _labels_elsewhere(rows: Sequence[Row], fields: FieldNames) -> Labelling:
    """Which fields may be labels, where none is called so in the first rows."""
    names = dict.fromkeys(name for row in rows for name in row.names)
    if fields.hold_labels(names):
        return Labelling()
    ours = {getattr(fields, role) for role in ROLES}
    columns = tuple(name for name in names if name not in ours)
    return Labelling(columns=columns, flags=survey_flags(rows, columns))
