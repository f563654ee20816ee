"""`compare`: did the new release get worse?"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from attn_audit.cli.gating import Debug
from attn_audit.cli.options import shared
from attn_audit.cli.running import guard


def compare(
    base: Annotated[
        Path, typer.Argument(metavar="BASE", help="The report to hold against.", show_default=False)
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The new report.", show_default=False)],
    *,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="Bounds of changes, `max_drop` and `max_rise`, that the exit code is the "
            "verdict of. (default: none)",
        ),
    ] = None,
    inconclusive: Annotated[Literal["pass", "fail"] | None, shared("inconclusive")] = None,
    allow_different_data: Annotated[
        bool,
        typer.Option(
            "--allow-different-data",
            help="Compare the summaries alone, whatever data they are of.",
        ),
    ] = False,
    plugin: Annotated[list[str] | None, shared("plugin")] = None,
    output: Annotated[list[Path] | None, shared("output")] = None,
    format: Annotated[Literal["terminal", "json"] | None, shared("format")] = None,
    quiet: Annotated[bool, shared("quiet")] = False,
    debug: Debug = False,
) -> None:
    """Compare two reports, example by example where they have records.

    Exit code 0: done, and no bound of the policy is broken. 1: one is. 4: inconclusive.
    """
    with guard(debug=debug):
        from attn_audit.cli.output import deliver
        from attn_audit.cli.verdicts import finish
        from attn_audit.comparison import compare as compared
        from attn_audit.formats.outputs import require_reports
        from attn_audit.plugins import load_plugins
        from attn_audit.policy.reading import load_policy

        load_plugins(plugin or [])
        inputs = [*_inputs(base, new), *([] if policy is None else [Path(policy)])]
        require_reports(output or [], inputs, is_judged=policy is not None)
        found = compared(
            base,
            new,
            None if policy is None else load_policy(policy),
            allow_different_data=allow_different_data,
        )
        deliver(found, "comparison", output=output, format=format, quiet=quiet)
        if found.verdict is not None:
            finish(found.verdict.outcome, inconclusive)


def _inputs(*reports: Path) -> list[Path]:
    """What is read, and must not be overwritten."""
    from attn_audit.results.relocating import records_files
    from attn_audit.results.report import Report

    loaded = ((path, Report.load(path)) for path in reports)
    return [file for path, report in loaded for file in (path, *records_files(report, path.parent))]
