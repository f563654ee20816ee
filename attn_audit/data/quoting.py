"""Showing a data set's own text in a message: short, and never as terminal escapes."""

import re
from collections.abc import Iterable
from reprlib import Repr

LONGEST = 60
LONGEST_REASON = 200
MOST_NAMES = 12
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")

_repr = Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = LONGEST


def quoted(value: object) -> str:
    r"""A value as Python would write it, in at most 60 characters.

    Example:
        >>> quoted("a\x1b[31m")
        "'a\\x1b[31m'"
    """
    text = _repr.repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def listed(names: Iterable[str], longest: int = LONGEST) -> str:
    """Names with commas between them; odd or long ones quoted, the rest of a long list counted.

    Args:
        names: In their order.
        longest: Characters after which a name is long.

    Example:
        >>> listed(["text", "label"])
        'text, label'
    """
    every = list(names)
    shown = [_plain(name, longest) for name in every[:MOST_NAMES]]
    more = [f"and {len(every) - MOST_NAMES} more"] if len(every) > MOST_NAMES else []
    return ", ".join(shown + more) or "none"


def one_line(error: Exception) -> str:
    """What a library said, on one line of at most 200 characters."""
    words = " ".join(str(error).split()) or type(error).__name__
    return "".join(char if char.isprintable() else "?" for char in words[:LONGEST_REASON])


def is_damaged(text: str) -> bool:
    r"""Whether a text holds half of a surrogate pair (JSON's `\ud83d` alone), which no file can.

    Example:
        >>> is_damaged("caf\u00e9"), is_damaged("\ud83d")
        (False, True)
    """
    return LONE_SURROGATE.search(text) is not None


def _plain(name: str, longest: int) -> str:
    return name if name.isprintable() and 0 < len(name) <= longest else quoted(name)
