"""Gold labels as names: what the numbers and lists in rows mean where all rows decide it."""

import ast
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from attn_audit.data.source import (
    N_PEEKED,
    ROLES,
    FieldNames,
    Row,
    WrongValueError,
    value_within,
)
from attn_audit.errors import Fault
from attn_audit.quoting import is_damaged, listed, quoted

HINT = "One label stands in the --label-field, a list of them in the --labels-field."


class NotALabelError(WrongValueError):
    """A value cannot be the name of a label."""

    def __init__(self, problem: str, hint: str = HINT) -> None:
        super().__init__(problem, hint)


def plain_name(value: object) -> str:
    """A name as it is, an integer in digits.

    Raises:
        NotALabelError: It is blank, a truth value, not a whole number, or of another kind.
    """
    match value:
        case int() if not isinstance(value, bool):
            return str(value)
        case float() if value.is_integer():
            return str(int(value))
        case str() if is_damaged(value):
            raise NotALabelError(f"is not valid Unicode: {quoted(value)}")
        case str() if value.strip():
            return value
        case str():
            raise NotALabelError("is blank")
        case _:
            raise NotALabelError(f"must be a string or an integer, not {quoted(value)}")


_DECIMAL = re.compile(r"(-?\d+)\.0+")


def label_name(value: object) -> str:
    """The name of a label, however the file spells it: outer blanks say nothing, nor does `.0`.

    Raises:
        NotALabelError: It is blank, not a whole number, or of another kind.

    Example:
        >>> label_name(1.0), label_name(" 1.0"), label_name(True)
        ('1', '1', 'True')
    """
    name = str(value) if isinstance(value, bool) else plain_name(value).strip()
    found = _DECIMAL.fullmatch(name)
    return name if found is None else found[1]


def as_list(value: object) -> object:
    """The list that a text writes, as JSON or Python does; everything else as it is.

    Example:
        >>> as_list("['joy', 'love']"), as_list("[0, 1]"), as_list("[0 1]")
        (['joy', 'love'], [0, 1], '[0 1]')
    """
    if not isinstance(value, str) or not value.strip().startswith("["):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else value
    return value


def label_names(
    values: object, label_map: Mapping[str, str], classes: Sequence[str] = ()
) -> tuple[str, ...]:
    """The names in a list of labels, mapped, each once.

    Args:
        classes: What the file calls the classes that numbers stand for; empty: nothing.

    Raises:
        NotALabelError: It is no list, or an item of it is no label.
    """
    if not isinstance(values, list):
        hint = "Write [0, 1] with commas, or separate the items of a cell with |."
        raise NotALabelError(f"must be a list, not {quoted(values)}", hint)
    names = [label_name(class_name(value, classes)) for value in values]
    return tuple(dict.fromkeys(label_map.get(name, name) for name in names))


def class_name(value: object, classes: Sequence[str]) -> object:
    """What the file calls the class of a number; other values, and all where it names none, stay.

    Raises:
        NotALabelError: There is no class of that number.
    """
    if not classes or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    number = int(value) if float(value).is_integer() else len(classes)
    if not 0 <= number < len(classes):
        raise NotALabelError(
            f"is class number {value}, and the file names {len(classes)} classes "
            f"({listed(classes)})",
            "They are numbered from 0; -1 is no label.",
        )
    return classes[number]


def repeated_number(values: object) -> str | None:
    """A number that stands twice in a list, as the number of a label cannot.

    Example:
        >>> repeated_number([1.0, 1.0, 0.0])
        '1'
    """
    items = values if isinstance(values, list) else []
    numbers = [value for value in items if isinstance(value, int | float | str)]
    names = [str(value).removesuffix(".0") for value in numbers]
    return next(
        (name for i, name in enumerate(names) if name.isdecimal() and name in names[:i]), None
    )


NO_LABEL = "-1"
"""How data sets write that a row has no label, where labels are numbers."""

SIGNS = frozenset((NO_LABEL, "0", "1"))
"""Labels of a scale around nothing, where -1 is a label like the others."""

ROW_NUMBERS = frozenset(("idx", "index", "__index_level_0__", "unnamed: 0"))
"""What libraries call the number of a row, which is 0 or 1 in a data set of two rows."""

_BITS = {"0": False, "1": True, "0.0": False, "1.0": True}


@dataclass(frozen=True, slots=True)
class Labelling:
    """What it takes to know what an example's label is; one for all examples of a data set."""

    columns: tuple[str, ...] = ()
    """The data's fields that are not read, where none of its fields holds labels."""

    flags: tuple[str, ...] = ()
    """Those of them that say yes or no in all of the first rows, as labels in a field each do."""

    classes: tuple[str, ...] = ()
    """The classes' names in order of their numbers, where the file gives them."""

    places: tuple[str | None, ...] = ()
    """Of lists that may be multi-hot: what the data calls the label of each place, None where it
    has no name. Every list of the data set has so many items, all of them 0 or 1."""

    is_multi_hot: bool = False
    """Whether lists with `places` can be nothing else: one holds a number twice, say."""

    signs: frozenset[str] | None = None
    """Where -1 says that there is no label: all labels of the data if they are -1, 1 and perhaps 0,
    which may be a scale; none if they are others."""

    def name_of(self, place: int) -> str:
        """What the data calls the label of a place; its number where it has no name."""
        return self.places[place] or str(place)


@dataclass(frozen=True, slots=True)
class Lists:
    """What all lists of labels of a data set have in common."""

    width: int | None
    """Items of each, where all are 0 or 1; None: they are label numbers or names."""
    no_numbers: bool = False
    """Whether one can be no list of label numbers: it holds one twice, or truth values."""
    but_for: str = ""
    """The list, and where it stands, that shows that they are not multi-hot."""


def bit(value: object) -> bool | None:
    """An item of a multi-hot list; None if it is something else.

    Example:
        >>> [bit(value) for value in (1.0, "0", False, 2)]
        [True, False, False, None]
    """
    if isinstance(value, bool):
        return value
    return _BITS.get(str(value)) if isinstance(value, int | float | str) else None


def is_no_label(value: object) -> bool:
    """Whether a value is the number -1.

    Example:
        >>> [is_no_label(value) for value in (-1, -1.0, "-1", 1)]
        [True, True, True, False]
    """
    return isinstance(value, int | float | str) and str(value) in (NO_LABEL, "-1.0")


def holds_no_label(values: object) -> bool:
    """Whether a field of several labels has none: nothing stands there, or only -1."""
    if isinstance(values, list) and values:
        return all(is_no_label(value) for value in values)
    return values is None


def survey_lists(rows: Iterable[Row], field: str) -> Lists:
    """Whether the lists of labels may be multi-hot; reads no further than needed to know."""
    width, no_numbers = None, False
    for row in rows:
        values = as_list(value_within(row.values, field))
        if holds_no_label(values):
            continue
        items = values if isinstance(values, list) else []
        bits = [bit(value) for value in items]
        if not bits or None in bits or width not in (None, len(bits)):
            return Lists(None, but_for=f"{quoted(values)} in {row.where}")
        width = len(bits)
        no_numbers = no_numbers or len(set(bits)) < width or not all(map(_may_be_number, items))
    return Lists(width, no_numbers)


def _may_be_number(value: object) -> bool:
    return not isinstance(value, bool) and (not isinstance(value, str) or value.isdecimal())


def survey_flags(rows: Sequence[Row], names: Iterable[str]) -> tuple[str, ...]:
    """The fields that say yes or no wherever they say something."""
    values = {name: [row.values.get(name) for row in rows] for name in names}
    given = {name: [v for v in column if v is not None] for name, column in values.items()}
    return tuple(
        name
        for name, column in given.items()
        if column and all(map(_is_flag, column)) and name.casefold() not in ROW_NUMBERS
    )


def _is_flag(value: object) -> bool:
    is_word = isinstance(value, str) and value.casefold() in ("true", "false")
    return is_word or bit(value) is not None


def survey_signs(rows: Iterable[Row], field: str, earlier: Collection[str]) -> frozenset[str]:
    """All labels, with those seen earlier, if they are -1 and 1 and perhaps 0; else none."""
    found = set(earlier)
    for row in rows:
        value = value_within(row.values, field)
        if not found <= SIGNS:
            break
        if value is not None:
            found.add(str(value).removesuffix(".0"))
    return frozenset(found) if {NO_LABEL, "1"} <= found <= SIGNS else frozenset()


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
        if values is None:
            return None
        new = self.label_map if label_map is None else label_map
        classes = row.classes.get(field_name, ())
        return row.read(field_name, fault, label_names, values, new, classes)

    def _one(self, row: Row, name: str, value: object) -> Labels | None:
        if not is_no_label(value) or NO_LABEL in self.label_map:
            labels = self._names(row, name, [as_list(value)])
            if self.seen <= SIGNS:
                self.seen.update(labels or ())
            return labels
        if name in row.classes:
            return None
        if self.labelling.signs is None:
            signs = frozenset[str]()
            if not SIGNS & self.label_map.keys():
                signs = survey_signs(self.look_ahead(), name, {*self.seen, NO_LABEL})
            self.labelling = replace(self.labelling, signs=signs)
        return (NO_LABEL,)

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
