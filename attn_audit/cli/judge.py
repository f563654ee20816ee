"""Commands that judge: `gate` and `compare` reports, `selftest` this installation."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from attn_audit.cli.command import guard
from attn_audit.cli.options import RESULT, shared
from attn_audit.exit_codes import FAILED

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a crash.")]


def _print_default(wanted: bool) -> bool:
    if wanted:
        from attn_audit.config import DEFAULT_POLICY
        from attn_audit.judgement.policy import PACKAGED

        sys.stdout.write(PACKAGED[DEFAULT_POLICY].read_text(encoding="utf-8"))
        raise typer.Exit
    return wanted


def gate(
    report: Annotated[
        Path, typer.Argument(metavar="REPORT", help="A JSON report.", show_default=False)
    ],
    *,
    policy: Annotated[
        str, typer.Option("--policy", metavar="FILE|default", help="What it is judged by.")
    ] = "default",
    inconclusive: Annotated[Literal["pass", "fail"] | None, shared("inconclusive")] = None,
    require: Annotated[Literal["yes"] | None, shared("require")] = None,
    plugin: Annotated[list[str] | None, shared("plugin")] = None,
    output: Annotated[list[Path] | None, shared("output")] = None,
    format: Annotated[Literal["terminal", "json"] | None, shared("format")] = None,
    quiet: Annotated[bool, shared("quiet")] = False,
    print_default_policy: Annotated[
        bool,
        typer.Option(
            "--print-default-policy",
            help="Show the packaged rules, each explained, to start yours from.",
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
        from attn_audit.cli.result_files import say_written, show_output
        from attn_audit.cli.verdict import finish
        from attn_audit.formats.result_files import Output, require_reports, write_reports
        from attn_audit.judgement.gate import judge
        from attn_audit.judgement.policy import load_policy
        from attn_audit.plugins import load_plugins
        from attn_audit.results.report import Report, records_files

        load_plugins(plugin or [])
        stored, paths = Report.load(report), output or []
        require_reports(
            paths, [report, Path(policy), *records_files(stored, report.parent)], is_judged=True
        )
        verdict = judge(stored, load_policy(policy))
        write_reports(stored, verdict, paths, origin=report.parent)
        show_output(Output.of(verdict), format or "terminal")
        if not quiet:
            say_written("report", paths)
        finish(verdict, inconclusive, require)


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
            metavar="FILE|no-worse",
            help="Bounds of changes, `max_drop` and `max_rise`, that the exit code is the "
            "verdict of; no-worse: the packaged ones. (default: none)",
        ),
    ] = None,
    inconclusive: Annotated[Literal["pass", "fail"] | None, shared("inconclusive")] = None,
    allow_different_data: Annotated[
        bool,
        typer.Option(
            "--allow-different-data", help="Compare the summaries alone, whatever data they are of."
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
        from attn_audit.cli.result_files import deliver, show_output
        from attn_audit.cli.verdict import finish
        from attn_audit.formats.result_files import Output, require_reports
        from attn_audit.judgement.comparison import compare as compared
        from attn_audit.judgement.policy import load_policy
        from attn_audit.plugins import load_plugins

        load_plugins(plugin or [])
        inputs = [*_inputs(base, new), *([] if policy is None else [Path(policy)])]
        require_reports(output or [], inputs, is_judged=policy is not None)
        found = compared(
            base,
            new,
            None if policy is None else load_policy(policy, of_change=True),
            allow_different_data=allow_different_data,
        )
        deliver(found, "comparison", output=output, format=format, quiet=quiet)
        if found.verdict is not None:
            if output and format is None:
                show_output(Output.of(found.verdict), "terminal")
            finish(found.verdict, inconclusive)


def _inputs(*reports: Path) -> list[Path]:
    """What is read, and must not be overwritten."""
    from attn_audit.results.report import Report, records_files

    loaded = ((path, Report.load(path)) for path in reports)
    return [file for path, report in loaded for file in (path, *records_files(report, path.parent))]


def selftest(
    *,
    output: RESULT = None,
    format: Annotated[Literal["terminal", "json"] | None, shared("format")] = None,
    quiet: Annotated[bool, shared("quiet")] = False,
    debug: Debug = False,
) -> None:
    """Try the packaged rules on small models whose truth is built in.

    Exit code 1 if one of them gets a wrong answer.
    """
    with guard(debug=debug):
        from attn_audit.formats.registry import OF_RESULTS
        from attn_audit.formats.result_files import require_reports
        from attn_audit.process import no_collection

        require_reports(output or [], (), formats=OF_RESULTS)
        with no_collection():
            from attn_audit.cli.result_files import deliver
            from attn_audit.selftest.cases import run

            found = run()
        deliver(found, "self-test", output=output, format=format, quiet=quiet)
        if not found.holds:
            raise typer.Exit(FAILED)
