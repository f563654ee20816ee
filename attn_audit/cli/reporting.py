"""`report`: a stored report once more, in other formats or on a terminal."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from attn_audit.cli.options import shared
from attn_audit.cli.running import guard


def report(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A report that an audit wrote as .json.")
    ],
    *,
    output: Annotated[list[Path] | None, shared("output")] = None,
    format: Annotated[Literal["terminal", "json"] | None, shared("format")] = None,
    quiet: Annotated[bool, shared("quiet")] = False,
    debug: Annotated[bool, shared("debug")] = False,
) -> None:
    """Render a stored report again: in other formats, or in the terminal."""
    with guard(debug=debug):
        from attn_audit.cli.output import say_written, show_report
        from attn_audit.formats.outputs import require_reports, write_reports
        from attn_audit.results.relocating import records_files
        from attn_audit.results.report import Report

        stored, paths = Report.load(source), output or []
        require_reports(paths, inputs=[source, *records_files(stored, source.parent)])
        write_reports(stored, None, paths, origin=source.parent)
        if not paths or format is not None:
            show_report(stored, format or "terminal")
        if not quiet:
            say_written("report", paths)
