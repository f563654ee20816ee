"""What stands last: examples that say nothing, how it was measured, and where the records are."""

from rich.console import ConsoleOptions, Group, RenderableType
from rich.text import Text

from attn_audit.formats.numbers import count
from attn_audit.formats.safety import printable
from attn_audit.formats.sentences.provenance import made_with
from attn_audit.formats.terminal.look import FAINT, add_row, heading, indented, plain, table
from attn_audit.formats.terminal.opening import pairs
from attn_audit.formats.terminal.prose import Prose
from attn_audit.results.report import Report


def degenerate(report: Report, options: ConsoleOptions) -> RenderableType:
    """The examples that a check says nothing, or less, about, counted by reason.

    Args:
        report: Any report.
        options: Of the console.
    """
    title = heading("Degenerate examples")
    if not report.degenerate:
        return Group(title, Prose("None: every check says something of every example."), Text(""))
    checks = tuple(dict.fromkeys(entry.check for entry in report.degenerate))
    counts = {(entry.meaning, entry.check): entry.n for entry in report.degenerate}
    named = (printable(check, options.encoding) for check in checks)
    made = table(("examples that say nothing, or less", *named), options)
    for meaning in dict.fromkeys(entry.meaning for entry in report.degenerate):
        found = (counts.get((meaning, check)) for check in checks)
        add_row(made, plain(meaning, options), *("-" if n is None else count(n) for n in found))
    note = Prose(
        "Counted here, never averaged in. An example can have several reasons.", 0, style=FAINT
    )
    return Group(title, indented(Group(made, note)), Text(""))


def provenance(report: Report, options: ConsoleOptions) -> RenderableType:
    """Settings, versions and hashes: what it takes to get the same numbers again.

    Args:
        report: Any report.
        options: Of the console.
    """
    return Group(
        heading("How this was measured"), indented(pairs(made_with(report), FAINT)), Text("")
    )
