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
    Result,
    document_of,
    require_reports,
    text_of,
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

AnyResult = TypeVar("AnyResult", bound=Result)


def find_and_deliver(
    what: str,
    find: Callable[[], AnyResult],
    values: Mapping[str, Any],
    settings: AuditSettings | None = None,
) -> AnyResult:
    """Find a result and write it, once it is known that it can be written."""
    read: tuple[Path, ...] = ()
    format = values["format"]
    if settings is not None:
        named = (settings.model, *settings.data, settings.vocabulary)
        read = tuple(Path(name) for name in named if name is not None)
        # Beside files, where it was said here.
        format = format if values["output"] else settings.format
    require_reports(values["output"] or [], read, formats=OF_RESULTS)
    found = find()
    deliver(found, what, {**values, "format": format})
    return found


def deliver(result: Result, what: str, values: Mapping[str, Any]) -> None:
    """Write a result to every file that was named, to standard output, or to both."""
    paths = values["output"] or []
    write_result(result, paths)
    if not paths or values["format"] is not None:
        show_output(result, values["format"] or "terminal")
    if not values["quiet"]:
        say_written(what, paths)


def write_report(
    report: Report,
    settings: AuditSettings,
    format_was_said: bool,
    *,
    verdict: Verdict | None = None,
    quiet: bool,
) -> None:
    """Write an audit's report to every `--output`, to standard output, or to both."""
    paths = [Path(path) for path in settings.output]
    if paths:
        write_reports(report, verdict, paths, origin=paths[0].parent)
    draw_figures(report, Path(settings.figures) if settings.figures else None, quiet=quiet)
    if not paths or format_was_said:
        show_output(report, settings.format)
    if not quiet:
        say_written("report", paths)
        say_written("records", [Path(settings.records)] if settings.records else [])


def show_output(result: Result, format: str, *, to_standard_error: bool = False) -> None:
    """Show a result, `terminal` or `json`, in one piece."""
    stream = sys.stderr if to_standard_error else sys.stdout
    if format == "json":
        stream.write(text_of(result, ".json"))
        return
    console = Console(stderr=to_standard_error)
    with console.capture() as captured:
        show(document_of(result), console)
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


def finish(
    verdict: Verdict, inconclusive: Inconclusive, require: Literal["yes"] | None = None
) -> NoReturn:
    """Leave with the exit code of a verdict, when all that was said is out.

    Args:
        inconclusive: What an inconclusive outcome counts as; None: itself.
    """
    sys.stdout.flush()
    may_show = MayShow.YES if verdict.answer is None else verdict.answer.verdict
    is_open = Outcome(inconclusive or Outcome.INCONCLUSIVE)
    outcome = is_open if verdict.outcome is Outcome.INCONCLUSIVE else verdict.outcome
    if outcome is Outcome.PASS and require == "yes" and may_show is not MayShow.YES:
        outcome = is_open if may_show is MayShow.UNKNOWN else Outcome.FAIL
    raise typer.Exit(EXIT_CODES[outcome])
