"""Commands on reports, on what is in them, and on this tool: `report`, `gate`, `selftest`, ..."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attn_audit.cli.command import command, data_of
from attn_audit.cli.options import RESULT, argument, option, shared, written_as
from attn_audit.cli.progress import watching
from attn_audit.errors import FAILED, ConfigurationError
from attn_audit.files import is_url, require_writable
from attn_audit.formats.registry import FIGURES, OF_RESULTS
from attn_audit.process import no_collection
from attn_audit.settings import Panel

if TYPE_CHECKING:
    from attn_audit.results.report import Report

_TOLD = ("output", "format", "quiet", "debug")
_OF_REPORTS: dict[str, Any] = {"output": Annotated[list[Path] | None, shared("output")]}
_DEBUG = option(bool, None, "Show the traceback of a crash.", None, "--debug")


@command(
    "report",
    *("source", "plugin", "output", "policy", "records", "figures", "title", "author"),
    *("no_texts", "format", "quiet", "debug"),
    defaults={"source": ...},
    source=argument(
        str,
        "SOURCE",
        "A report that an audit wrote as .json, the --run-dir of an audit, or `last`.",
    ),
    policy=option(
        str | None,
        Panel.GATE,
        "Say in the files what this policy makes of it; `gate` turns it into an exit code. "
        "(default: none)",
        "FILE|default",
    ),
    records=Annotated[Path | None, shared("records")],
    figures=Annotated[Path | None, shared("figures")],
    **_OF_REPORTS,
)
def report(**values: Any) -> None:
    """Render a stored report again: in other formats, or in the terminal."""
    from attn_audit.cli.results import draw_figures, say_written, show_output
    from attn_audit.files import require_folder_of
    from attn_audit.formats.result_files import require_reports, write_reports
    from attn_audit.judgement.answer import without_texts
    from attn_audit.judgement.gate import judge
    from attn_audit.judgement.policy import load_policy

    paths, policy, quiet = values["output"] or [], values["policy"], values["quiet"]
    records, figures, no_texts = values["records"], values["figures"], values["no_texts"]
    stored, origin, inputs = _loaded(values["source"], records, paths, no_texts=bool(no_texts))
    stored = without_texts(stored) if no_texts else stored
    named = {name: values[name] or getattr(stored, name) for name in ("title", "author")}
    stored = stored.model_copy(update=named)
    inputs += [] if policy is None else [Path(policy)]
    require_reports(paths, inputs, is_judged=policy is not None)
    if figures is not None:
        require_folder_of(figures, FIGURES)
    verdict = None if policy is None else judge(stored, load_policy(policy))
    write_reports(stored, verdict, paths, origin=origin)
    draw_figures(stored, figures, quiet=quiet)
    if not (paths or figures) or values["format"] is not None:
        show_output(stored, values["format"] or "terminal")
    if not quiet:
        say_written("report", paths)
        say_written("records", [] if records is None else [records])


def _loaded(
    source: str, records: Path | None, paths: Sequence[Path], *, no_texts: bool
) -> "tuple[Report, Path, list[Path]]":
    """The report, the folder that its paths start from, and the files that it is read from."""
    from attn_audit.cli.last_report import taken_out

    path = Path(source)
    if not (path.is_dir() or is_url(source)):
        file, stored, inputs = _opened(path)
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


_AGAIN = ("adapter", "trust_remote_code", "plugin", "vocabulary", "device", "batch_size", "threads")
"""What a report cannot say: code to run, and what concerns this machine."""


@command(
    "verify",
    *("report", "model", "data", "more_data", *_AGAIN, "seed", *_TOLD),
    report=argument(Path, "REPORT", "A .json report with its records, or `last`."),
    seed=option(int | None, Panel.HOW, "Another tenth of the examples.", "N"),
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
        from attn_audit.cli.last_report import located
        from attn_audit.cli.results import deliver
        from attn_audit.engine.arguments import require_places
        from attn_audit.formats.result_files import require_reports
        from attn_audit.verification.verify import StoredAudit, verify_report

    require_places(values["model"], values["data"], values["adapter"])
    read = [Path(name) for name in (values["report"], values["model"], *values["data"])]
    require_reports(values["output"] or [], read, formats=OF_RESULTS)
    said = {
        name: values[name] for name in ("model", "data", *_AGAIN) if values[name] not in (None, [])
    }
    with watching(quiet=values["quiet"], doing="verifying") as watcher:
        stored = StoredAudit.load(located(values["report"]))
        found = verify_report(stored, said, seed=values["seed"] or 0, watcher=watcher)
    deliver(found, "verification", values)
    if not found.holds:
        raise typer.Exit(FAILED)


@command("metrics", "plugin", *_TOLD, output=RESULT, debug=_DEBUG)
def metrics(**values: Any) -> None:
    """List what a policy may bound and records hold, defined."""
    from attn_audit.cli.results import find_and_deliver
    from attn_audit.findings.registry import all_fields, statistics
    from attn_audit.formats.documents.definitions import dictionary

    known = dictionary(tuple(statistics().values()), all_fields())
    find_and_deliver("metrics", lambda: known, values)


@command("measures", "plugin", *_TOLD, output=RESULT, debug=_DEBUG)
def measures(**values: Any) -> None:
    """List what attention is compared with, defined: source, passes, what it needs."""
    from attn_audit.cli.results import find_and_deliver
    from attn_audit.findings.measure import shown_measure
    from attn_audit.findings.registry import measures as every
    from attn_audit.formats.documents.definitions import measures as listing

    known = listing((*every(), shown_measure("FIELD")))
    find_and_deliver("measures", lambda: known, values)


def _print_default(wanted: bool) -> bool:
    if wanted:
        from attn_audit.config import DEFAULT_POLICY
        from attn_audit.judgement.policy import PACKAGED

        sys.stdout.write(PACKAGED[DEFAULT_POLICY].read_text(encoding="utf-8"))
        raise typer.Exit
    return wanted


@command(
    "gate",
    *("report", "policy", "inconclusive", "require", "plugin", "output", "no_texts", "format"),
    *("quiet", "print_default_policy", "debug"),
    defaults={"report": ..., "policy": "default"},
    report=argument(Path, "REPORT", "A JSON report, or `last`."),
    policy=option(str | None, None, "What it is judged by.", "FILE|default"),
    print_default_policy=Annotated[
        bool,
        typer.Option(
            "--print-default-policy",
            help="Show the packaged rules, each explained, to start yours from.",
            callback=_print_default,
            is_eager=True,
        ),
    ],
    debug=_DEBUG,
    **_OF_REPORTS,
)
def gate(**values: Any) -> None:
    """Judge a report by a policy: may this model be released?

    Exit code 0: passed. 1: failed. 4: inconclusive.
    """
    from attn_audit.cli.last_report import taken_out
    from attn_audit.cli.results import finish, say_written, show_output
    from attn_audit.formats.result_files import require_reports, write_reports
    from attn_audit.judgement.answer import without_texts
    from attn_audit.judgement.gate import judge
    from attn_audit.judgement.policy import load_policy

    (file, stored, inputs), paths = _opened(values["report"]), values["output"] or []
    require_reports(paths, [*inputs, Path(values["policy"])], is_judged=True)
    stored = without_texts(stored) if values["no_texts"] else stored
    verdict = judge(stored, load_policy(values["policy"]))
    write_reports(taken_out(stored, values["report"]), verdict, paths, origin=file.parent)
    show_output(verdict, values["format"] or "terminal")
    if not values["quiet"]:
        say_written("report", paths)
    finish(verdict, values["inconclusive"], values["require"])


@command(
    "compare",
    *("base", "new", "policy", "inconclusive", "allow_different_data", "plugin", "output"),
    *("no_texts", *_TOLD[1:]),
    defaults={"base": ..., "new": ...},
    base=argument(Path, "BASE", "The report to hold against, or `last`."),
    new=argument(Path, "NEW", "The new report, or `last`."),
    policy=option(
        str | None,
        None,
        "Bounds of changes, `max_drop` and `max_rise`, that the exit code is the verdict of; "
        "no-worse: the packaged ones. (default: none)",
        "FILE|no-worse",
    ),
    allow_different_data=option(
        bool,
        None,
        "Compare the summaries alone, whatever data they are of.",
        *(None, "--allow-different-data"),
    ),
    debug=_DEBUG,
    **_OF_REPORTS,
)
def compare(**values: Any) -> None:
    """Compare two reports, example by example where they have records.

    Exit code 0: done, and no bound of the policy is broken. 1: one is. 4: inconclusive.
    """
    from attn_audit.cli.results import deliver, finish, show_output
    from attn_audit.formats.result_files import require_reports
    from attn_audit.judgement.comparison import compare_reports, without_texts
    from attn_audit.judgement.policy import load_policy

    name = values["policy"]
    (base, old, of_old), (new, other, of_other) = map(_opened, (values["base"], values["new"]))
    inputs = [*of_old, *of_other, *([] if name is None else [Path(name)])]
    require_reports(values["output"] or [], inputs, is_judged=name is not None)
    policy = None if name is None else load_policy(name, of_change=True)
    is_free = values["allow_different_data"]
    found = compare_reports(
        (old, other), (base, new), policy, allow_different_data=is_free, today=None
    )
    found = without_texts(found) if values["no_texts"] else found
    deliver(found, "comparison", values)
    if found.verdict is not None:
        if values["output"] and values["format"] is None:
            show_output(found.verdict, "terminal")
        finish(found.verdict, values["inconclusive"])


def _opened(name: Path) -> "tuple[Path, Report, list[Path]]":
    """The file that a report is in, the report, and all that is read of it."""
    from attn_audit.cli.last_report import located
    from attn_audit.results.report import Report, records_files

    file = located(name)
    with no_collection():
        stored = Report.load(file)
    return file, stored, [file, *records_files(stored, file.parent)]


FORMATS_OF_TABLES = [*OF_RESULTS, ".csv"]


@command(
    "table",
    *("reports", "only", "plugin", *_TOLD),
    defaults={"reports": ...},
    reports=argument(
        list[Path],
        "REPORT...",
        "Reports that audits wrote as .json, of several models, seeds, data sets; `last`.",
    ),
    only=option(
        list[str] | None,
        Panel.OUTPUT,
        "Write this table alone; repeat it for more. By what it is about: performance, gradient, "
        "leave_one_out, yardstick, permutation, adversarial. By its lines: models, classes, "
        "reports.",
        "NAME",
    ),
    output=written_as(FORMATS_OF_TABLES),
    debug=_DEBUG,
)
def table(**values: Any) -> None:
    """Put many reports into one table: models, with mean and deviation over training seeds.

    Columns are the numbers of Jain & Wallace (2019) that the reports hold, over all examples and by
    predicted class. Reports that differ in the training's seed and the weights alone are seeds of
    one model.
    """
    from attn_audit.cli.last_report import located
    from attn_audit.cli.results import deliver
    from attn_audit.formats.result_files import require_reports
    from attn_audit.judgement.tabulation import tabulate

    paths = [located(path) for path in values["reports"]]
    require_reports(values["output"] or [], paths, formats=FORMATS_OF_TABLES)
    deliver(tabulate(paths, values["only"] or []), "table", values)


@command("selftest", *_TOLD, output=RESULT, debug=_DEBUG)
def selftest(**values: Any) -> None:
    """Try the packaged rules on small models whose truth is built in.

    Exit code 1 if one of them gets a wrong answer.
    """
    with no_collection():
        from attn_audit.cli.results import find_and_deliver
        from attn_audit.selftest import run

    if not find_and_deliver("self-test", run, values).holds:
        raise typer.Exit(FAILED)
