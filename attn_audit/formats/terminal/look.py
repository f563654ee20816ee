"""The look shared by everything on a terminal: styles, headings, tables, which characters."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD, Box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from attn_audit.formats.pictures import ASCII, UNICODE, Ink
from attn_audit.formats.safety import printable

WIDEST = 100
"""Columns used at most."""

ACCENT = "cyan"
YARDSTICK = "magenta"
FAINT = "dim"
WARNING = "bold yellow"

SIMPLE_HEAD_ASCII = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""rich's own substitute would be a full grid."""


def ink(options: ConsoleOptions) -> Ink:
    """The characters that the terminal's encoding can show.

    Args:
        options: Of the console.
    """
    return ASCII if options.ascii_only else UNICODE


def is_wide(options: ConsoleOptions) -> bool:
    """Whether there is room for every interval.

    Args:
        options: Of the console.
    """
    return options.max_width >= WIDEST


def heading(name: str) -> Rule:
    """The line that opens a section.

    Args:
        name: Of the section.
    """
    return Rule(Text(name, "bold"), align="left", style=FAINT)


def plain(value: object, options: ConsoleOptions, style: str = "") -> Text:
    """Any value as text that is not markup and is safe to print.

    Args:
        value: Shown as `str` gives it.
        options: Of the console.
        style: A rich style.
    """
    return Text(printable(str(value), options.encoding), style)


LONG_NAME = 30
"""Longer dotted names are parted where the screen is narrow."""

_SYLLABLE = re.compile(r"[^._]*[._]?")


def folded(name: str, options: ConsoleOptions) -> Text:
    """A dotted name; on several lines, parted at dots and underscores, where the screen is narrow.

    Args:
        name: Of a metric.
        options: Of the console.
    """
    if is_wide(options) or len(name) <= LONG_NAME:
        return plain(name, options)
    lines = [""]
    for part in re.findall(r"[^.]*\.?", name):
        whole = len(part) <= LONG_NAME - 2
        for piece in (part,) if whole else _SYLLABLE.findall(part):
            if len(lines[-1]) + len(piece) > LONG_NAME - 2 * (len(lines) > 1):
                lines.append("")
            lines[-1] += piece
    return Text("\n  ").join(plain(line, options) for line in lines)


def table(headers: Sequence[str], options: ConsoleOptions, n_left: int = 1) -> Table:
    """An empty table with aligned numbers.

    Args:
        headers: Of the columns.
        options: Of the console.
        n_left: How many columns, from the left, are names and not numbers.
    """
    made = Table(
        box=SIMPLE_HEAD_ASCII if options.ascii_only else SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        border_style=FAINT,
        header_style="",
    )
    for i, header in enumerate(headers):
        made.add_column(
            Text(header, FAINT),
            justify="left" if i < n_left else "right",
            overflow="fold",
            no_wrap=i >= n_left,
        )
    return made


def add_row(made: Table, *cells: str | Text) -> None:
    """Add a row whose text is never read as markup.

    Args:
        made: A table.
        *cells: One for each column.
    """
    made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def indented(renderable: RenderableType) -> Padding:
    """Two columns to the right, as all text under a heading.

    Args:
        renderable: Anything.
    """
    return Padding(renderable, (0, 0, 0, 2))


@dataclass(frozen=True)
class Trimmed:
    """Anything, without the blanks that fill its lines on the right."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """The same lines, ending where their text ends."""
        for line in console.render_lines(self.content, options, pad=False):
            while line and not _shown(line[-1]):
                line.pop()
            if line:
                last = line.pop()
                line.append(Segment(_shown(last), last.style))
            yield from line
            yield Segment.line()


def _shown(segment: Segment) -> str:
    """The text without blanks behind it, which show only where they have a ground."""
    has_ground = segment.style is not None and segment.style.bgcolor is not None
    return segment.text if has_ground else segment.text.rstrip(" ")
