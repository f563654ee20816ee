"""Labels as names, and what a data set as a whole says of them: what a number in a row means."""

import ast
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from attn_audit.data.rows import Row, value_within
from attn_audit.quoting import is_damaged, listed, quoted

HINT = "One label stands in the --label-field, a list of them in the --labels-field."


class NotALabelError(ValueError):
    """A value that cannot be the name of a label; says what it is instead, and what to do."""

    def __init__(self, problem: str, hint: str = HINT) -> None:
        super().__init__(problem)
        self.hint = hint


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
    """Whether the lists of labels may be multi-hot; reads no further than needed to know.

    Args:
        rows: All that have a list.
    """
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
    """The fields that say yes or no wherever they say something.

    Args:
        rows: Some of the data set.
    """
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
    """All labels, if they are -1 and 1 and perhaps 0; none where they are others.

    Args:
        rows: All that may hold labels that were not seen yet.
        earlier: The labels that were seen.
    """
    found = set(earlier)
    for row in rows:
        value = value_within(row.values, field)
        if not found <= SIGNS:
            break
        if value is not None:
            found.add(str(value).removesuffix(".0"))
    return frozenset(found) if {NO_LABEL, "1"} <= found <= SIGNS else frozenset()
