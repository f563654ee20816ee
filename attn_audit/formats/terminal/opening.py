"""What stands first: what was audited, the report at a glance, how well the model works."""

from collections.abc import Iterable, Iterator

from rich import box
from rich.console import ConsoleOptions, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from attn_audit.formats.sentences import overview
from attn_audit.formats.sentences import performance as words
from attn_audit.formats.terminal.look import FAINT, WARNING, heading, indented
from attn_audit.formats.terminal.prose import Prose
from attn_audit.results.report import Report
from attn_audit.results.summary import Performance


def title(report: Report, options: ConsoleOptions) -> RenderableType:
    """Model and data, under the name of the thing.

    Args:
        report: Any report.
        options: Of the console.
    """
    facts = pairs(overview.audited(report), FAINT)
    return Group(heading("Attention audit"), indented(facts), Text(""))


def pairs(entries: Iterable[tuple[str, str]], style: str) -> Table:
    """Headings and what belongs to them, in two columns.

    Args:
        entries: Heading and text; an empty heading continues the one above.
        style: Of the headings.
    """
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in entries:
        grid.add_row(Text(name, style), Prose(text, indent=0))
    return grid


def in_short(report: Report, options: ConsoleOptions) -> RenderableType:
    """One line for the model and for each check, framed.

    Args:
        report: Any report.
        options: Of the console.
    """
    note = Text("tau 1: same order, 0: unrelated; [low, high]: 95% interval", FAINT)
    frame = box.ASCII if options.ascii_only else box.ROUNDED
    panel = Panel(
        pairs(_lines(report), "bold"),
        title=Text("In short", "bold"), title_align="left",
        subtitle=note, subtitle_align="right",
        box=frame, border_style=FAINT, padding=(0, 1),
    )  # fmt: skip
    return Group(panel, Text(""))


def _lines(report: Report) -> Iterator[tuple[str, str]]:
    for name, lines in overview.in_short(report):
        for i, line in enumerate(lines):
            yield ("" if i else name), line


def performance(found: Performance | None, options: ConsoleOptions) -> RenderableType:
    """How well the model works; in a warning's colour where it does not.

    Args:
        found: None where the data has no labels.
        options: Of the console.
    """
    sentences = [
        Prose(sentence, bullet=True, style=WARNING if sentence == words.USELESS else "")
        for sentence in words.answer(found)
    ]
    return Group(heading("How well the model works"), *sentences, Text(""))
