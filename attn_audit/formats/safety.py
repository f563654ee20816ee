"""Text that others wrote, made safe to print: nothing in it moves the cursor or hides."""

from unicodedata import category

UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of control and format characters (terminal escapes, bidi overrides, zero-width
characters), lone surrogates, and line and paragraph separators."""

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula."""

_NO_XML = "\ufffe\uffff"
"""Beside control characters and surrogates."""

_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str, encoding: str = "utf-8") -> str:
    r"""The text with everything that would not be seen, or not as it is, spelled out.

    Control characters (terminal escapes among them), bidi overrides and zero-width characters
    become visible escapes; so does what the encoding cannot write.

    Args:
        text: Any text: a label, file name, id, unit.
        encoding: Of the place where the text goes.

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

    Args:
        text: Any text.

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

    Args:
        text: Any text.

    Example:
        >>> xml("\x1b[31m\uffff")
        '\\x1b[31m\\uffff'
    """
    return "".join(_spelled(c) if c in _NO_XML else c for c in printable(text))


def _spelled(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    point = ord(character)
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
