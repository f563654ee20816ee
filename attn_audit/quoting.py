"""Text that others wrote, shown in messages: short, and nothing in it moves the cursor."""

import re
from collections.abc import Iterable
from reprlib import Repr
from unicodedata import category

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


def in_our_words(message: str) -> str:
    """What pydantic says of a value, without the words of its own.

    Example:
        >>> in_our_words("Value error, 'gpu' is not one of 'cpu', 'cuda'")
        "'gpu' is not one of 'cpu', 'cuda'"
        >>> in_our_words("Input should be a valid integer, unable to parse string as an integer")
        'must be a whole number'
    """
    text = _OF_PYDANTIC.sub("", message)
    for theirs, ours in _OURS:
        text = text.replace(theirs, ours)
    return text[:1].lower() + text[1:]


_OF_PYDANTIC = re.compile(r"(Value error|Assertion failed), |, unable to parse.*")
_OURS = (
    *(("Input should be", "must be"), ("a valid ", "a "), ("an integer", "a whole number")),
    *(("a integer", "a whole number"), ("a boolean", "true or false"), ("a dictionary", "a table")),
    *(("a tuple", "a list"), ("Extra inputs are not permitted", "there is no such field")),
    *(("Field required", "is missing"),),
)


def is_damaged(text: str) -> bool:
    r"""Whether a text holds half of a surrogate pair (JSON's `\ud83d` alone), which no file can.

    Example:
        >>> is_damaged("caf\u00e9"), is_damaged("\ud83d")
        (False, True)
    """
    return LONE_SURROGATE.search(text) is not None


def _plain(name: str, longest: int) -> str:
    return name if name.isprintable() and 0 < len(name) <= longest else quoted(name)


UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of control and format characters (terminal escapes, bidi overrides, zero-width
characters), lone surrogates, and line and paragraph separators."""

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula."""

_NO_XML = "\ufffe\uffff"
"""Beside control characters and surrogates."""


def printable(text: str, encoding: str = "utf-8") -> str:
    r"""The text with everything that would not be seen, or not as it is, spelled out.

    Control characters (terminal escapes among them), bidi overrides and zero-width characters
    become visible escapes; so does what the encoding cannot write.

    Returns:
        Text on one line that is safe in any terminal.

    Example:
        >>> printable("\x1b[31mred\u202e")
        '\\x1b[31mred\\u202e'
        >>> printable("na\u00efve", "ascii")
        'na\\xefve'
    """
    seen = "".join(_spelled(c) if category(c) in UNSEEN else c for c in text)
    return seen.encode(encoding, "backslashreplace").decode(encoding)


def cell(text: str) -> str:
    """The text for a cell of a spreadsheet, where nothing in it is calculated or called.

    Returns:
        Printable text; with an apostrophe in front where a spreadsheet would take it for a formula.

    Example:
        >>> cell("=HYPERLINK(0)"), cell("gap.mean")
        ("'=HYPERLINK(0)", 'gap.mean')
    """
    shown = printable(text)
    return f"'{shown}" if shown.lstrip().startswith(FORMULA) else shown


def xml(text: str) -> str:
    r"""The text without what XML cannot hold; markup is escaped by whoever writes the file.

    Example:
        >>> xml("\x1b[31m\uffff")
        '\\x1b[31m\\uffff'
    """
    return "".join(_spelled(c) if c in _NO_XML else c for c in printable(text))


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()
