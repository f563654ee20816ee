"""Text that others wrote, made safe to print: nothing in it moves the cursor or hides."""

from unicodedata import category

UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of control and format characters (terminal escapes, bidi overrides, zero-width
characters), lone surrogates, and line and paragraph separators."""

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


def _spelled(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    point = ord(character)
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
