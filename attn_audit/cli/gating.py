"""`gate`: a report that was written before, held against a policy."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from attn_audit.cli.options import shared
from attn_audit.cli.running import guard

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a crash.")]


def _print_default(wanted: bool) -> bool:
    if wanted:
        from attn_audit.policy.reading import PACKAGED

        sys.stdout.write(PACKAGED.read_text(encoding="utf-8"))
        raise typer.Exit
    return wanted


def gate(
    report: Annotated[
        Path, typer.Argument(metavar="REPORT", help="A JSON report.", show_default=False)
    ],
    *,
    policy: Annotated[
        str,
        typer.Option("--policy", metavar="FILE|default", help="What it is judged by."),
    ] = "default",
    inconclusive: Annotated[Literal["pass", "fail"] | None, shared("inconclusive")] = None,
    plugin: Annotated[list[str] | None, shared("plugin")] = None,
    output: Annotated[list[Path] | None, shared("output")] = None,
    format: Annotated[Literal["terminal", "json"] | None, shared("format")] = None,
    quiet: Annotated[bool, shared("quiet")] = False,
    print_default_policy: Annotated[
        bool,
        typer.Option(
            "--print-default-policy",
            help="Show the packaged policy, bound by bound explained, to start yours from.",
            callback=_print_default,
            is_eager=True,
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Judge a report by a policy: may this model be released?

    Exit code 0: passed. 1: failed. 4: inconclusive.
    """
    with guard(debug=debug):
        from attn_audit.cli.output import say_written, show_output
        from attn_audit.cli.verdicts import finish
        from attn_audit.formats.outputs import require_reports, write_reports
        from attn_audit.formats.results import Output
        from attn_audit.gate import judge
        from attn_audit.plugins import load_plugins
        from attn_audit.policy.reading import load_policy
        from attn_audit.results.relocating import records_files
        from attn_audit.results.report import Report

        load_plugins(plugin or [])
        stored, paths = Report.load(report), output or []
        require_reports(
            paths, [report, Path(policy), *records_files(stored, report.parent)], is_judged=True
        )
        verdict = judge(stored, load_policy(policy))
        write_reports(stored, verdict, paths, origin=report.parent)
        if not paths or format is not None:
            show_output(Output.of(verdict), format or "terminal")
        if not quiet:
            say_written("report", paths)
        finish(verdict.outcome, inconclusive)
