"""`report`: a stored report once more, in other formats or on a terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from attn_audit.cli.options import option, shared
from attn_audit.cli.running import guard
from attn_audit.errors import ConfigurationError
from attn_audit.files import require_writable
from attn_audit.locations import is_url
from attn_audit.results.report import Report
from attn_audit.settings import Panel


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
        from attn_audit.cli.output import draw_figures, say_written, show_output
        from attn_audit.files import require_empty_folder
        from attn_audit.formats.outputs import require_reports, write_reports
        from attn_audit.formats.results import Output
        from attn_audit.gate import judge
        from attn_audit.plugins import load_plugins
        from attn_audit.policy.reading import load_policy

        load_plugins(plugin or [])
        paths = output or []
        stored, origin, inputs = _loaded(source, records, paths)
        inputs += [] if policy is None else [Path(policy)]
        require_reports(paths, inputs, is_judged=policy is not None)
        if figures is not None:
            require_empty_folder(figures)
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
) -> tuple[Report, Path, list[Path]]:
    """The report, the folder that its paths start from, and the files that it is read from."""
    from attn_audit.results.relocating import records_files

    path = Path(source)
    if not (path.is_dir() or is_url(source)):
        if records is not None:
            raise ConfigurationError(
                f"--records: {source} is a report, and names its records already",
                hint="A run directory's records can be written as one file.",
            )
        stored = Report.load(path)
        return stored, path.parent, [path, *records_files(stored, path.parent)]
    from attn_audit.formats.record_paths import records_suffix
    from attn_audit.reporting.stored import report_of_run

    inputs = [] if is_url(source) else [path]
    if records is not None:
        records_suffix(records)
        require_writable(records, inputs)
    origin = paths[0].parent if paths else Path()
    report = report_of_run(
        source, None if records is None else str(records), paths[0] if paths else None
    )
    return report, origin, inputs
