"""The report as a text file: what a terminal without colour shows."""

from io import StringIO

from rich.console import Console

from attn_audit.formats import terminal
from attn_audit.formats.terminal import verdict as terminal_verdict
from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict

WIDTH = 100


def render(report: Report, verdict: Verdict | None) -> str:
    """The whole report in lines of 100 columns; what a policy says of it first.

    Args:
        report: Any report.
        verdict: None where no policy was named.
    """
    text = StringIO()
    console = Console(file=text, width=WIDTH, no_color=True)
    if verdict is not None:
        terminal_verdict.render(verdict, console)
        console.print()
    terminal.render(report, console)
    return text.getvalue()
