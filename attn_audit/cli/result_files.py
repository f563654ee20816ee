"""Writing results where they were asked for."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from attn_audit.cli.command import error_console
from attn_audit.formats.registry import OF_RESULTS
from attn_audit.formats.result_files import (
    Output,
    Result,
    require_reports,
    write_reports,
    write_result,
)
from attn_audit.formats.terminal import show
from attn_audit.quoting import printable
from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict
from attn_audit.settings import AuditSettings


def find_and_deliver(
    what: str, find: Callable[[], Result], values: Mapping[str, Any], settings: AuditSettings
) -> None:
    """Find a result and write it, once it is known that it can be written.

    Args:
        what: It is, in a note on standard error.
        values: Every option of the command by name.

    Raises:
        ConfigurationError: A suffix that is no format of such a result.
        OutputError: No such folder, no permission, an input, or a file that is named twice.
    """
    output: list[Path] = values["output"] or []
    named = (settings.model, *settings.data, settings.vocabulary)
    read = [Path(name) for name in named if name is not None]
    require_reports(output, read, formats=OF_RESULTS)
    shown = values["format"] if output else settings.format  # beside files, where it was said here
    deliver(find(), what, output=output, format=shown, quiet=values["quiet"])


def deliver(
    result: Result,
    what: str,
    *,
    output: Sequence[Path] | None = None,
    format: str | None = None,
    quiet: bool = False,
) -> None:
    """Write a result to every file that was named, to standard output, or to both.

    Args:
        what: It is, in a note on standard error.
        format: Of standard output; None where that was not said.
    """
    made, paths = Output.of(result), output or []
    write_result(made, paths)
    if not paths or format is not None:
        show_output(made, format or "terminal")
    if not quiet:
        say_written(what, paths)


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
        format_was_said: Whether `--format` was given beside `--output`.
        verdict: What a policy says of the report; None where none was named.
    """
    paths = [Path(path) for path in settings.output]
    if paths:
        write_reports(report, verdict, paths, origin=paths[0].parent)
    draw_figures(report, Path(settings.figures) if settings.figures else None, quiet=quiet)
    if not paths or format_was_said:
        show_output(Output.of(report), settings.format)
    if not quiet:
        say_written("report", paths)
        say_written("records", [Path(settings.records)] if settings.records else [])


def show_output(output: Output, format: str, *, to_standard_error: bool = False) -> None:
    """Show a result, `terminal` or `json`, in one piece."""
    stream = sys.stderr if to_standard_error else sys.stdout
    if format == "json":
        stream.write(output.text(".json"))
        return
    console = Console(stderr=to_standard_error)
    with console.capture() as captured:
        show(output.document(), console)
    stream.write(captured.get())


def draw_figures(report: Report, folder: Path | None, *, quiet: bool) -> None:
    """Write the figures of a report, where they were asked for."""
    if folder is None:
        return
    from attn_audit.formats.charts import write_figures  # Altair: only for who asks for figures
    from attn_audit.formats.documents.report import figures

    written = write_figures(figures(report), folder)
    if not quiet:
        n_older = len({*folder.iterdir()} - {*written})
        older = f"; {n_older} older ones in it are not of this report" if n_older else ""
        said = f"{len(written)} figures written to {printable(str(folder))}{older}"
        error_console().print(Text(said))


def say_written(what: str, paths: Sequence[Path]) -> None:
    """Note on standard error which files are there now."""
    for path in paths:
        error_console().print(Text(f"{what} written to {printable(str(path))}"))
