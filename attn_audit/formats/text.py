"""The report as a text file: what a terminal without colour shows."""

from io import StringIO

from rich.console import Console

from attn_audit.formats import terminal
from attn_audit.formats.safety import printable
from attn_audit.formats.sentences import judgements
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
    if verdict is not None:
        text.writelines(f"{printable(line)}\n" for line in judgements.listed(verdict))
        text.write("\n")
    terminal.render(report, Console(file=text, width=WIDTH, no_color=True))
    return text.getvalue()
