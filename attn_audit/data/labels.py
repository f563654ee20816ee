"""Labels as names: strings, whatever the data set writes them as."""

from collections.abc import Mapping

from attn_audit.data.quoting import is_damaged, quoted


class NotALabelError(ValueError):
    """A value that cannot be the name of a label; says what it is instead."""


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
            raise NotALabelError(f"must be a string or an integer, not {quoted(value)}")
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


def label_names(values: object, label_map: Mapping[str, str]) -> tuple[str, ...]:
    """The names in a list of labels, mapped, each once.

    Raises:
        NotALabelError: It is no list, or an item of it is no label.
    """
    if not isinstance(values, list):
        raise NotALabelError(f"must be a list, not {quoted(values)}")
    names = [label_name(value) for value in values]
    return tuple(dict.fromkeys(label_map.get(name, name) for name in names))
