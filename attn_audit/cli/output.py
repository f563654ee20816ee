"""Writing a report where it was asked for."""

import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from attn_audit.cli.running import error_console
from attn_audit.config import AuditSettings
from attn_audit.files import replacing
from attn_audit.formats import json, terminal
from attn_audit.formats.safety import printable
from attn_audit.results.report import Report


def write_report(
    report: Report, settings: AuditSettings, format_was_said: bool, *, quiet: bool
) -> None:
    """Write the report to `--output`, to standard output, or to both where both were asked for.

    Args:
        report: The report.
        settings: Say where to.
        format_was_said: Whether `--format` was given beside `--output`.
        quiet: No notes.
    """
    if settings.output is not None:
        path = Path(settings.output)
        with replacing(path) as temporary:
            temporary.write_text(_as_text(report, path.suffix), encoding="utf-8")
    if settings.output is None or format_was_said:
        if settings.format == "json":
            sys.stdout.write(json.render(report))
        else:
            print_report(report)
    if not quiet:
        for what, where in (("report", settings.output), ("records", settings.records)):
            if where is not None:
                error_console().print(Text(f"{what} written to {printable(where)}"))


def print_report(report: Report) -> None:
    """Show a report on standard output, in one piece."""
    console = Console()
    with console.capture() as captured:
        terminal.render(report, console)
    sys.stdout.write(captured.get())


def _as_text(report: Report, suffix: str) -> str:
    if suffix == ".json":
        return json.render(report)
    text = StringIO()
    terminal.render(report, Console(file=text, width=100, no_color=True))
    return text.getvalue()
