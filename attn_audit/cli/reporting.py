"""`report`: a stored report once more, in other formats or on a terminal."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from attn_audit.cli.options import shared
from attn_audit.cli.options.base import GATE, option
from attn_audit.cli.running import guard


def report(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A report that an audit wrote as .json.")
    ],
    *,
    output: Annotated[list[Path] | None, shared("output")] = None,
    policy: Annotated[
        str | None,
        option(
            "--policy",
            panel=GATE,
            metavar="FILE|default",
            help="Say in the files what this policy makes of it; `gate` turns it into an exit "
            "code. (default: none)",
        ),
    ] = None,
    figures: Annotated[Path | None, shared("figures")] = None,
    format: Annotated[Literal["terminal", "json"] | None, shared("format")] = None,
    quiet: Annotated[bool, shared("quiet")] = False,
    debug: Annotated[bool, shared("debug")] = False,
) -> None:
    """Render a stored report again: in other formats, or in the terminal."""
    with guard(debug=debug):
        from attn_audit.cli.output import draw_figures, say_written, show_report
        from attn_audit.files import require_empty_folder
        from attn_audit.formats.outputs import require_reports, write_reports
        from attn_audit.gate import judge
        from attn_audit.policy.reading import load_policy
        from attn_audit.results.relocating import records_files
        from attn_audit.results.report import Report

        stored, paths = Report.load(source), output or []
        inputs = [source, *records_files(stored, source.parent)]
        require_reports(paths, inputs, is_judged=policy is not None)
        if figures is not None:
            require_empty_folder(figures)
        verdict = None if policy is None else judge(stored, load_policy(policy))
        write_reports(stored, verdict, paths, origin=source.parent)
        draw_figures(stored, figures, quiet=quiet)
        if not (paths or figures) or format is not None:
            show_report(stored, format or "terminal")
        if not quiet:
            say_written("report", paths)
