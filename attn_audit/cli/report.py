"""Commands on reports, on what is in them, and on this tool: `report`, `gate`, `selftest`, ..."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from attn_audit.cli.command import data_of, guard
from attn_audit.cli.options import RESULT, option, rows, shared
from attn_audit.cli.progress import watching
from attn_audit.errors import FAILED, ConfigurationError
from attn_audit.files import is_url, require_writable
from attn_audit.process import no_collection
from attn_audit.settings import Panel

if TYPE_CHECKING:
    from attn_audit.results.report import Report

Plugins = Annotated[list[str] | None, shared("plugin")]
Outputs = Annotated[list[Path] | None, shared("output")]
Format = Annotated[Literal["terminal", "json"] | None, shared("format")]
Inconclusive = Annotated[Literal["pass", "fail"] | None, shared("inconclusive")]
NoTexts = Annotated[bool, shared("no_texts")]
Quiet = Annotated[bool, shared("quiet")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a crash.")]


def report(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A report that an audit wrote as .json, the --run-dir of an audit, or `last`.",
        ),
    ],
    *,
    plugin: Plugins = None,
    output: Outputs = None,
    policy: Annotated[
        str | None,
        option(
            "--policy",
            panel=Panel.GATE,
            metavar="FILE|default",
            help="Say in the files what this policy makes of it; `gate` turns it into an exit "
            "code. (default: none)",
        ),
    ] = None,
    records: Annotated[Path | None, shared("records")] = None,
    figures: Annotated[Path | None, shared("figures")] = None,
    title: Annotated[str | None, shared("title")] = None,
    author: Annotated[str | None, shared("author")] = None,
    no_texts: NoTexts = False,
    format: Format = None,
    quiet: Quiet = False,
    debug: Annotated[bool, shared("debug")] = False,
) -> None:
    """Render a stored report again: in other formats, or in the terminal."""
    with guard(debug=debug):
        from attn_audit.cli.results import draw_figures, say_written, show_output
        from attn_audit.files import require_folder_of
        from attn_audit.formats.registry import FIGURES
        from attn_audit.formats.result_files import Output, require_reports, write_reports
        from attn_audit.judgement.answer import without_texts
        from attn_audit.judgement.gate import judge
        from attn_audit.judgement.policy import load_policy
        from attn_audit.plugins import load_plugins

        load_plugins(plugin or [])
        paths = output or []
        stored, origin, inputs = _loaded(source, records, paths, no_texts=no_texts)
        stored = without_texts(stored) if no_texts else stored
        named = {"title": title or stored.title, "author": author or stored.author}
        stored = stored.model_copy(update=named)
        inputs += [] if policy is None else [Path(policy)]
        require_reports(paths, inputs, is_judged=policy is not None)
        if figures is not None:
            require_folder_of(figures, FIGURES)
        verdict = None if policy is None else judge(stored, load_policy(policy))
        write_reports(stored, verdict, paths, origin=origin)
        draw_figures(stored, figures, quiet=quiet)
        if not (paths or figures) or format is not None:
            show_output(Output.of(stored), format or "terminal")
        if not quiet:
            say_written("report", paths)
            say_written("records", [] if records is None else [records])


def _loaded(
    source: str, records: Path | None, paths: Sequence[Path], *, no_texts: bool
) -> "tuple[Report, Path, list[Path]]":
    """The report, the folder that its paths start from, and the files that it is read from."""
    from attn_audit.cli.last import located, taken_out
    from attn_audit.results.report import Report, records_files

    path = Path(source)
    if not (path.is_dir() or is_url(source)):
        file = located(path)
        stored = Report.load(file)
        inputs = [file, *records_files(stored, file.parent)]
        if records is not None:
            require_writable(records, inputs)
        found = taken_out(stored, path, records)
        return found, file.parent if records is None else Path(), inputs
    from attn_audit.engine.report import report_of_run
    from attn_audit.formats.registry import records_suffix

    inputs = [] if is_url(source) else [path]
    if records is not None and no_texts:
        raise ConfigurationError(
            f"--records: {source} keeps words of the texts, and --no-texts writes none",
            hint="`attn-audit audit ... --no-texts` keeps none; its records can be written.",
        )
    if records is not None:
        records_suffix(records)
        require_writable(records, inputs)
    origin = paths[0].parent if paths else Path()
    report = report_of_run(
        source, None if records is None else str(records), paths[0] if paths else None
    )
    return report, origin, inputs


_TOLD = ("output", "format", "quiet", "debug")

_AGAIN = ("adapter", "trust_remote_code", "plugin", "vocabulary", "device", "batch_size", "threads")
"""What a report cannot say: code to run, and what concerns this machine."""

OPTIONS_OF_VERIFY = rows(
    *("report", "model", "data", "more_data", *_AGAIN, "seed", *_TOLD),
    report=Annotated[
        Path,
        typer.Argument(
            metavar="REPORT", help="A .json report with its records, or `last`.", show_default=False
        ),
    ],
    seed=Annotated[
        int | None,
        option("--seed", panel=Panel.HOW, metavar="N", help="Another tenth of the examples."),
    ],
    output=RESULT,
)


def verify(**values: Any) -> None:
    """Check a report again: its witnesses, its numbers, its summaries.

    Every stored adversarial witness is replayed, all numbers of a random tenth of the examples are
    computed again, and the report is summed up again from its records. Exit code 1 if anything does
    not hold.
    """
    values["data"] = data_of(values)
    missing = [name for name in ("report", "model", "data") if not values[name]]
    if missing:
        raise ConfigurationError(
            f"nothing to verify: no {' and no '.join(name.upper() for name in missing)} given",
            hint="Give the report, and the model and the data that it is of.",
        )
    with no_collection():
        from attn_audit.cli.last import located
        from attn_audit.cli.results import deliver
        from attn_audit.engine.arguments import require_places
        from attn_audit.formats.registry import OF_RESULTS
        from attn_audit.formats.result_files import require_reports
        from attn_audit.plugins import load_plugins
        from attn_audit.verification.verify import StoredAudit, verify_report

    require_places(values["model"], values["data"], values["adapter"])
    read = [Path(name) for name in (values["report"], values["model"], *values["data"])]
    require_reports(values["output"] or [], read, formats=OF_RESULTS)
    said = {
        name: values[name] for name in ("model", "data", *_AGAIN) if values[name] not in (None, [])
    }
    load_plugins(values["plugin"] or [])
    with watching(quiet=values["quiet"], doing="verifying") as watcher:
        stored = StoredAudit.load(located(values["report"]))
        found = verify_report(stored, said, seed=values["seed"] or 0, watcher=watcher)
    told = {name: values[name] for name in ("output", "format", "quiet")}
    deliver(found, "verification", **told)
    if not found.holds:
        raise typer.Exit(FAILED)


OPTIONS_OF_LISTS = rows("plugin", *_TOLD, output=RESULT, debug=Debug)


def metrics(**values: Any) -> None:
    """List what a policy may bound and records hold, defined."""
    from attn_audit.cli.results import find_and_deliver
    from attn_audit.findings.registry import all_fields, statistics
    from attn_audit.formats.documents.definitions import Dictionary
    from attn_audit.plugins import load_plugins

    load_plugins(values["plugin"] or [])
    known = Dictionary(tuple(statistics().values()), all_fields())
    find_and_deliver("metrics", lambda: known, values)


def measures(**values: Any) -> None:
    """List what attention is compared with, defined: source, passes, what it needs."""
    from attn_audit.cli.results import find_and_deliver
    from attn_audit.findings.measure import shown_measure
    from attn_audit.findings.registry import measures as every
    from attn_audit.formats.documents.definitions import Measures
    from attn_audit.plugins import load_plugins

    load_plugins(values["plugin"] or [])
    known = Measures((*every(), shown_measure("FIELD")))
    find_and_deliver("measures", lambda: known, values)


def _print_default(wanted: bool) -> bool:
    if wanted:
        from attn_audit.config import DEFAULT_POLICY
        from attn_audit.judgement.policy import PACKAGED

        sys.stdout.write(PACKAGED[DEFAULT_POLICY].read_text(encoding="utf-8"))
        raise typer.Exit
    return wanted


def gate(
    report: Annotated[
        Path,
        typer.Argument(metavar="REPORT", help="A JSON report, or `last`.", show_default=False),
    ],
    *,
    policy: Annotated[
        str, typer.Option("--policy", metavar="FILE|default", help="What it is judged by.")
    ] = "default",
    inconclusive: Inconclusive = None,
    require: Annotated[Literal["yes"] | None, shared("require")] = None,
    plugin: Plugins = None,
    output: Outputs = None,
    no_texts: NoTexts = False,
    format: Format = None,
    quiet: Quiet = False,
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
        from attn_audit.cli.last import located, taken_out
        from attn_audit.cli.results import finish, say_written, show_output
        from attn_audit.formats.result_files import Output, require_reports, write_reports
        from attn_audit.judgement.answer import without_texts
        from attn_audit.judgement.gate import judge
        from attn_audit.judgement.policy import load_policy
        from attn_audit.plugins import load_plugins
        from attn_audit.results.report import Report, records_files

        load_plugins(plugin or [])
        file, paths = located(report), output or []
        stored = Report.load(file)
        inputs = [file, Path(policy), *records_files(stored, file.parent)]
        require_reports(paths, inputs, is_judged=True)
        stored = without_texts(stored) if no_texts else stored
        verdict = judge(stored, load_policy(policy))
        write_reports(taken_out(stored, report), verdict, paths, origin=file.parent)
        show_output(Output.of(verdict), format or "terminal")
        if not quiet:
            say_written("report", paths)
        finish(verdict, inconclusive, require)


def compare(
    base: Annotated[
        Path,
        typer.Argument(
            metavar="BASE", help="The report to hold against, or `last`.", show_default=False
        ),
    ],
    new: Annotated[
        Path,
        typer.Argument(metavar="NEW", help="The new report, or `last`.", show_default=False),
    ],
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
    inconclusive: Inconclusive = None,
    allow_different_data: Annotated[
        bool,
        typer.Option(
            "--allow-different-data", help="Compare the summaries alone, whatever data they are of."
        ),
    ] = False,
    plugin: Plugins = None,
    output: Outputs = None,
    no_texts: NoTexts = False,
    format: Format = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare two reports, example by example where they have records.

    Exit code 0: done, and no bound of the policy is broken. 1: one is. 4: inconclusive.
    """
    with guard(debug=debug):
        from attn_audit.cli.last import located
        from attn_audit.cli.results import deliver, finish, show_output
        from attn_audit.formats.result_files import Output, require_reports
        from attn_audit.judgement.comparison import compare as compared
        from attn_audit.judgement.comparison import without_texts
        from attn_audit.judgement.policy import load_policy
        from attn_audit.plugins import load_plugins

        load_plugins(plugin or [])
        base, new = located(base), located(new)
        inputs = [*_inputs(base, new), *([] if policy is None else [Path(policy)])]
        require_reports(output or [], inputs, is_judged=policy is not None)
        found = compared(
            base,
            new,
            None if policy is None else load_policy(policy, of_change=True),
            allow_different_data=allow_different_data,
        )
        found = without_texts(found) if no_texts else found
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


OPTIONS_OF_SELFTEST = rows(*_TOLD, output=RESULT, debug=Debug)


def selftest(**values: Any) -> None:
    """Try the packaged rules on small models whose truth is built in.

    Exit code 1 if one of them gets a wrong answer.
    """
    with no_collection():
        from attn_audit.cli.results import find_and_deliver
        from attn_audit.selftest import run

    if not find_and_deliver("self-test", run, values).holds:
        raise typer.Exit(FAILED)
