"""From a result to the files and the output that were asked for, and to the exit code."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from attn_audit.cli.command import error_console
from attn_audit.config import DEFAULT_POLICY
from attn_audit.errors import FAILED, INCONCLUSIVE, PASSED
from attn_audit.findings.rule import Outcome
from attn_audit.formats.registry import OF_RESULTS
from attn_audit.formats.result_files import (
    Output,
    Result,
    require_reports,
    write_reports,
    write_result,
)
from attn_audit.formats.terminal import show
from attn_audit.judgement.gate import bounds_to_judge
from attn_audit.judgement.policy import Policy, load_policy
from attn_audit.quoting import printable
from attn_audit.results.report import Report
from attn_audit.results.verdict import MayShow, Verdict
from attn_audit.settings import AuditSettings

Found = TypeVar("Found", bound=Result)


def find_and_deliver(
    what: str,
    find: Callable[[], Found],
    values: Mapping[str, Any],
    settings: AuditSettings | None = None,
) -> Found:
    """Find a result and write it, once it is known that it can be written.

    Args:
        what: It is, in a note on standard error.
        values: Every option of the command by name.
        settings: Of a command that reads a model or data.

    Raises:
        ConfigurationError: A suffix that is no format of such a result.
        OutputError: No such folder, no permission, an input, or a file that is named twice.
    """
    output: list[Path] = values["output"] or []
    read: tuple[Path, ...] = ()
    format = values["format"]
    if settings is not None:
        named = (settings.model, *settings.data, settings.vocabulary)
        read = tuple(Path(name) for name in named if name is not None)
        format = format if output else settings.format  # beside files, where it was said here
    require_reports(output, read, formats=OF_RESULTS)
    found = find()
    deliver(found, what, output=output, format=format, quiet=values["quiet"])
    return found


def deliver(
    result: Result,
    what: str,
    *,
    output: Sequence[Path] | None = None,
    format: str | None = None,
    quiet: bool = False,
) -> None:
    """Write a result to every file that was named, to standard output, or to both."""
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


EXIT_CODES: Final = {Outcome.PASS: PASSED, Outcome.FAIL: FAILED, Outcome.INCONCLUSIVE: INCONCLUSIVE}

Inconclusive = Literal["pass", "fail"] | None


def policy_of(settings: AuditSettings) -> Policy | None:
    """The policy that an audit's report will be judged by; read before the audit starts.

    Where an answer is required and no policy is named: the packaged rules.

    Raises:
        ConfigurationError: The policy cannot be read, or asks nothing of a report.
    """
    name = settings.policy or (settings.require and DEFAULT_POLICY)
    if name is None:
        return None
    policy = load_policy(name)
    bounds_to_judge(policy, of_change=False)
    return policy


def exit_code(outcome: Outcome, inconclusive: Inconclusive) -> int:
    """0 passed, 1 failed, 4 inconclusive, or what that counts as."""
    if outcome is Outcome.INCONCLUSIVE and inconclusive is not None:
        return EXIT_CODES[Outcome(inconclusive)]
    return EXIT_CODES[outcome]


def show_verdict(verdict: Verdict, *, beside: AuditSettings) -> None:
    """Show a verdict below its report, or where the report is JSON, beside it on standard error."""
    show_output(Output.of(verdict), "terminal", to_standard_error=beside.format == "json")
    sys.stdout.flush()


def finish(
    verdict: Verdict, inconclusive: Inconclusive, require: Literal["yes"] | None = None
) -> NoReturn:
    """Leave with the exit code of a verdict, when all that was said is out."""
    sys.stdout.flush()
    code = exit_code(verdict.outcome, inconclusive)
    may_show = MayShow.YES if verdict.answer is None else verdict.answer.verdict
    if code == PASSED and require == "yes" and may_show is not MayShow.YES:
        is_open = may_show is MayShow.UNKNOWN
        code = exit_code(Outcome.INCONCLUSIVE if is_open else Outcome.FAIL, inconclusive)
    raise typer.Exit(code)
