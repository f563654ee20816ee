"""Writing a report where it was asked for, and finding out early whether that is possible."""

import os
import sys
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from attn_audit.cli.running import error_console
from attn_audit.config import AuditSettings
from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.formats import json, terminal
from attn_audit.formats.records import records_suffix
from attn_audit.formats.safety import printable
from attn_audit.results.report import Report

REPORT_SUFFIXES = (".json", ".txt")


def require_writable(settings: AuditSettings, outputs: Iterable[Path]) -> None:
    """Refuse, before anything is computed, outputs that could not be written afterwards.

    Args:
        settings: Name the outputs and what must not be overwritten.
        outputs: All files that will be written.

    Raises:
        ConfigurationError: A suffix that is no format.
        OutputError: No such folder, no permission, or the file is an input.
    """
    if settings.output is not None and Path(settings.output).suffix not in REPORT_SUFFIXES:
        raise ConfigurationError(
            f"--output {settings.output}: the suffix says the format, and this one is none",
            hint=f"Use one of {', '.join(REPORT_SUFFIXES)}.",
        )
    if settings.records is not None:
        records_suffix(Path(settings.records))
    inputs = {Path(p).resolve() for p in (settings.model, settings.data) if p is not None}
    seen: set[Path] = set()
    for path in outputs:
        if path.resolve() in inputs:
            raise OutputError(path, "it is an input of this audit")
        if path.resolve() in seen:
            raise OutputError(path, "--output and --records name the same file")
        seen.add(path.resolve())
        require_writable_path(path)


def require_writable_path(path: Path) -> None:
    """Refuse a path that could not be written.

    Args:
        path: Of a file that may exist already.

    Raises:
        OutputError: No such folder, a folder, or no permission.
    """
    if path.is_dir():
        raise OutputError(path, "it is a folder")
    if not path.parent.is_dir():
        raise OutputError(path, f"there is no folder {path.parent}")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(path, "no permission to replace it")
    probe = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise OutputError(path, error.strerror or str(error)) from None


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
        _replace(path, _as_text(report, path.suffix))
    if settings.output is None or format_was_said:
        if settings.format == "json":
            sys.stdout.write(json.render(report))
        else:
            terminal.render(report, Console())
    if not quiet:
        for what, where in (("report", settings.output), ("records", settings.records)):
            if where is not None:
                error_console().print(Text(f"{what} written to {printable(where)}"))


def _as_text(report: Report, suffix: str) -> str:
    if suffix == ".json":
        return json.render(report)
    text = StringIO()
    terminal.render(report, Console(file=text, width=100, no_color=True))
    return text.getvalue()


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(path, error.strerror or str(error)) from None
    finally:
        temporary.unlink(missing_ok=True)
