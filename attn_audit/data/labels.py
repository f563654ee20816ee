"""Labels as names: strings, whatever the data set writes them as."""

from collections.abc import Mapping, Sequence

from attn_audit.data.quoting import is_damaged, listed, quoted

HINT = "One label stands in the --label-field, a list of them in the --labels-field."


class NotALabelError(ValueError):
    """A value that cannot be the name of a label; says what it is instead, and what to do."""

    def __init__(self, problem: str, hint: str = HINT) -> None:
        super().__init__(problem)
        self.hint = hint


def label_name(value: object) -> str:
    """The name of a label: a string as it is, an integer in digits.

    Raises:
        NotALabelError: It is blank, a truth value, not a whole number, or of another kind.

    Example:
        >>> label_name(1.0)
        '1'
    """
    match value:
        case bool():
            problem = f"must be a string or an integer, not {quoted(value)}"
            raise NotALabelError(problem, "Write 0 and 1, or the names of the labels.")
        case int():
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


def label_names(
    values: object, label_map: Mapping[str, str], classes: Sequence[str] = ()
) -> tuple[str, ...]:
    """The names in a list of labels, mapped, each once.

    Args:
        values: A list.
        label_map: New names.
        classes: What the file calls the classes that numbers stand for; empty: nothing.

    Raises:
        NotALabelError: It is no list, or an item of it is no label.
    """
    if not isinstance(values, list):
        raise NotALabelError(f"must be a list, not {quoted(values)}")
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
