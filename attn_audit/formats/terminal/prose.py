"""Sentences on a terminal: wrapped at words, an estimate never parted from its interval."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.text import Text

from attn_audit.formats.safety import printable
from attn_audit.formats.sentences.overview import QUESTIONS, answers
from attn_audit.formats.terminal.look import heading
from attn_audit.results.report import Report

WIDEST = 96
"""Longer lines are hard to read."""

_INTERVAL = re.compile(r"(\S+ )?\[[^][]{1,24}\]")
_ESTIMATE = r"[-+<>]?\d[\d.,]*%?(?= \[[-+<>\d])"


@dataclass(frozen=True)
class Prose:
    """Plain text on a terminal, estimates that have an interval in bold."""

    text: str
    indent: int = 2
    bullet: bool = False
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Lines that fit."""
        width = max(10, min(options.max_width, WIDEST) - self.indent - 2 * self.bullet)
        mark = ("- " if options.ascii_only else "• ") if self.bullet else ""
        text = printable(self.text, options.encoding)
        for i, line in enumerate(wrapped(text, width)):
            margin = " " * self.indent + (" " * len(mark) if i else mark)
            shown = Text(margin + line, style=self.style, no_wrap=True)
            shown.highlight_regex(_ESTIMATE, "bold")
            yield shown

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """As wide as the text on one line, at most."""
        most = min(options.max_width, WIDEST, cell_len(self.text) + self.indent)
        return Measurement(min(24, most), most)


def opened(report: Report, check: str) -> list[RenderableType]:
    """How every check's section opens: its name, its question, its answer sentence by sentence.

    Args:
        report: The whole report.
        check: Id of a check that was run.
    """
    sentences = answers(report)[check]
    return [
        heading(check.capitalize()),
        Prose(QUESTIONS[check], style="bold italic"),
        *(Prose(sentence, bullet=True) for sentence in sentences),
    ]


def wrapped(text: str, width: int) -> Iterator[str]:
    """Cut text into lines at spaces, but not inside an interval or before it.

    Args:
        text: One paragraph.
        width: Terminal cells a line.

    Example:
        >>> list(wrapped("a mean tau of 0.20 [0.19, 0.21] with it", 20))
        ['a mean tau of', '0.20 [0.19, 0.21]', 'with it']
    """
    glued = _INTERVAL.sub(lambda found: found[0].replace(" ", "\0"), text)
    line = ""
    for word in _words(glued, width):
        if line and cell_len(line) + 1 + cell_len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _words(glued: str, width: int) -> Iterator[str]:
    for piece in glued.split(" "):
        word = piece.replace("\0", " ")
        yield from chop_cells(word, width) if cell_len(word) > width else [word]
