"""Commands on stored reports, and on what is in them: `report`, `verify`, `metrics`, `measures`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from attn_audit.cli.command import data_of, guard
from attn_audit.cli.judge import Debug
from attn_audit.cli.options import RESULT, option, rows, shared
from attn_audit.cli.progress import watching
from attn_audit.errors import ConfigurationError
from attn_audit.exit_codes import FAILED
from attn_audit.files import is_url, require_writable
from attn_audit.process import no_collection
from attn_audit.settings import Panel

if TYPE_CHECKING:
    from attn_audit.formats.result_files import Result
    from attn_audit.results.report import Report


def report(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A report that an audit wrote as .json, or the --run-dir of an audit.",
        ),
    ],
    *,
    plugin: Annotated[list[str] | None, shared("plugin")] = None,
    output: Annotated[list[Path] | None, shared("output")] = None,
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
    format: Annotated[Literal["terminal", "json"] | None, shared("format")] = None,
    quiet: Annotated[bool, shared("quiet")] = False,
    debug: Annotated[bool, shared("debug")] = False,
) -> None:
    """Render a stored report again: in other formats, or in the terminal."""
    with guard(debug=debug):
        from attn_audit.cli.result_files import draw_figures, say_written, show_output
        from attn_audit.files import require_folder_of
        from attn_audit.formats.registry import FIGURES
        from attn_audit.formats.result_files import Output, require_reports, write_reports
        from attn_audit.judgement.gate import judge
        from attn_audit.judgement.policy import load_policy
        from attn_audit.plugins import load_plugins

        load_plugins(plugin or [])
        paths = output or []
        stored, origin, inputs = _loaded(source, records, paths)
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
    source: str, records: Path | None, paths: Sequence[Path]
) -> "tuple[Report, Path, list[Path]]":
    """The report, the folder that its paths start from, and the files that it is read from."""
    from attn_audit.results.report import Report, records_files

    path = Path(source)
    if not (path.is_dir() or is_url(source)):
        if records is not None:
            raise ConfigurationError(
                f"--records: {source} is a report, and names its records already",
                hint="A run directory's records can be written as one file.",
            )
        stored = Report.load(path)
        return stored, path.parent, [path, *records_files(stored, path.parent)]
    from attn_audit.engine.report import report_of_run
    from attn_audit.formats.registry import records_suffix

    inputs = [] if is_url(source) else [path]
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

OPTIONS_OF_VERIFY = rows(
    *("report", "model", "data", "more_data", *_AGAIN),
    *("seed", "output", "format", "quiet", "debug"),
    report=Annotated[
        Path,
        typer.Argument(
            metavar="REPORT", help="A .json report with its records.", show_default=False
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
        from attn_audit.cli.result_files import deliver
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
        stored = StoredAudit.load(values["report"])
        found = verify_report(stored, said, seed=values["seed"] or 0, watcher=watcher)
    told = {name: values[name] for name in ("output", "format", "quiet")}
    deliver(found, "verification", **told)
    if not found.holds:
        raise typer.Exit(FAILED)


Plugins = Annotated[list[str] | None, shared("plugin")]
Format = Annotated[Literal["terminal", "json"] | None, shared("format")]
Quiet = Annotated[bool, shared("quiet")]


def metrics(
    *,
    plugin: Plugins = None,
    output: RESULT = None,
    format: Format = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List what a policy may bound and records hold, defined."""

    def known() -> "Result":
        from attn_audit.findings.registry import all_fields, statistics
        from attn_audit.formats.documents.definitions import Dictionary

        return Dictionary(tuple(statistics().values()), all_fields())

    with guard(debug=debug):
        _list(known, "metrics", plugin, output=output, format=format, quiet=quiet)


def measures(
    *,
    plugin: Plugins = None,
    output: RESULT = None,
    format: Format = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List what attention is compared with, defined: source, passes, what it needs."""

    def known() -> "Result":
        from attn_audit.findings.measure import shown_measure
        from attn_audit.findings.registry import measures as every
        from attn_audit.formats.documents.measures import Measures

        return Measures((*every(), shown_measure("FIELD")))

    with guard(debug=debug):
        _list(known, "measures", plugin, output=output, format=format, quiet=quiet)


def _list(known: "Callable[[], Result]", kind: str, plugin: list[str] | None, **told: Any) -> None:
    """Deliver what is known once the plugins have added to it."""
    from attn_audit.cli.result_files import deliver
    from attn_audit.formats.registry import OF_RESULTS
    from attn_audit.formats.result_files import require_reports
    from attn_audit.plugins import load_plugins

    load_plugins(plugin or [])
    require_reports(told["output"] or [], (), formats=OF_RESULTS)
    deliver(known(), kind, **told)
