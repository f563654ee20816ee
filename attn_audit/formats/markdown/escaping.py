"""Text that others wrote, as Markdown that shows it and does nothing."""

import html
import re
from collections.abc import Sequence

from attn_audit.formats.safety import printable

_MARKUP = re.compile(r"[\\`*_\[\]|~]")
_ALIVE = re.compile(
    r"[@#$]"  # mentions and mail, issues, formulas
    r"|:(?=//)|(?<=[wW]{3})\."  # links
    r"|:(?=[a-zA-Z+-][\w+-]*:)|(?<!\d):(?=\w+:)"  # emojis, but not the time of day
    r"|(?<=[gG][hH])-(?=\d)"  # issues once more
)
"""What GitHub brings to life although its markup is escaped."""


def escaped(text: str) -> str:
    r"""Any text as inert Markdown on one line, good inside of a table as well.

    Markup is escaped; what would come alive nonetheless stands in an element of its own, which
    parts it from what it would be alive with.

    Args:
        text: Any text.

    Example:
        >>> escaped("a|b <b>"), escaped("@me, see www.example.org")
        ('a\\|b &lt;b&gt;', '<span>@</span>me, see www<span>.</span>example.org')
    """
    pieces = []
    end = 0
    shown = printable(text)
    for found in _ALIVE.finditer(shown):
        pieces += [_without_markup(shown[end : found.start()]), f"<span>{found[0]}</span>"]
        end = found.end()
    return "".join((*pieces, _without_markup(shown[end:])))


def _without_markup(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", html.escape(text, quote=False))


def code(text: str) -> str:
    r"""Any text in a code span, good inside of a table as well.

    Args:
        text: Any text.

    Example:
        >>> code("correlation.gap.mean"), code("a`b|c")
        ('`correlation.gap.mean`', '<code>a\\`b\\|c</code>')
    """
    shown = printable(text)
    if "`" not in shown and "|" not in shown and shown.strip():
        return f"`{shown}`"
    return f"<code>{escaped(text)}</code>"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], n_left: int = 1) -> list[str]:
    """The lines of a table.

    Args:
        headers: Of the columns, escaped.
        rows: Cells, escaped.
        n_left: How many columns, from the left, are text and not numbers.
    """
    rule = ["---" if i < n_left else "---:" for i in range(len(headers))]
    return [f"| {' | '.join(cells)} |" for cells in (headers, rule, *rows)]
