"""Writing a report where it was asked for."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from attn_audit.cli.running import error_console
from attn_audit.formats import json, terminal
from attn_audit.formats.outputs import write_reports
from attn_audit.formats.safety import printable
from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict
from attn_audit.settings import AuditSettings


def write_report(
    report: Report,
    settings: AuditSettings,
    format_was_said: bool,
    *,
    verdict: Verdict | None = None,
    quiet: bool,
) -> None:
    """Write an audit's report to every `--output`, to standard output, or to both.

    Args:
        report: The report.
        settings: Say where to.
        format_was_said: Whether `--format` was given beside `--output`.
        verdict: What a policy says of the report; None where none was named.
        quiet: No notes.
    """
    paths = [Path(path) for path in settings.output]
    if paths:
        write_reports(report, verdict, paths, origin=paths[0].parent)
    draw_figures(report, Path(settings.figures) if settings.figures else None, quiet=quiet)
    if not paths or format_was_said:
        show_report(report, settings.format)
    if not quiet:
        say_written("report", paths)
        say_written("records", [Path(settings.records)] if settings.records else [])


def show_report(report: Report, format: str) -> None:
    """Show a report on standard output, in one piece.

    Args:
        report: Any report.
        format: `terminal` or `json`.
    """
    if format == "json":
        sys.stdout.write(json.render(report))
        return
    console = Console()
    with console.capture() as captured:
        terminal.render(report, console)
    sys.stdout.write(captured.get())


def draw_figures(report: Report, folder: Path | None, *, quiet: bool) -> None:
    """Write the figures, where they were asked for.

    Args:
        report: Any report.
        folder: Where to; None for nowhere.
        quiet: No notes.
    """
    if folder is None:
        return
    from attn_audit.formats.charts import write_figures  # Altair: only for who asks for figures

    written = write_figures(report, folder)
    if not quiet:
        error_console().print(Text(f"{len(written)} figures written to {printable(str(folder))}"))


def say_written(what: str, paths: Sequence[Path]) -> None:
    """Note on standard error which files are there now.

    Args:
        what: They are.
        paths: Of the files.
    """
    for path in paths:
        error_console().print(Text(f"{what} written to {printable(str(path))}"))
