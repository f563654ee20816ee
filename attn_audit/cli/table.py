"""`table`: many reports beside each other."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from attn_audit.cli.command import guard
from attn_audit.cli.options import SHORT, option, shared
from attn_audit.cli.report import Debug
from attn_audit.formats.registry import OF_RESULTS
from attn_audit.settings import Panel

FORMATS = [*OF_RESULTS, ".csv"]


def table(
    reports: Annotated[
        list[Path],
        typer.Argument(
            metavar="REPORT...",
            help="Reports that audits wrote as .json, of several models, seeds, data sets; `last`.",
            show_default=False,
        ),
    ],
    *,
    only: Annotated[
        list[str] | None,
        option(
            "--only",
            panel=Panel.OUTPUT,
            metavar="NAME",
            help="Write this table alone; repeat it for more. By what it is about: performance, "
            "gradient, leave_one_out, yardstick, permutation, adversarial. By its lines: models, "
            "classes, reports.",
        ),
    ] = None,
    plugin: Annotated[list[str] | None, shared("plugin")] = None,
    output: Annotated[
        list[Path] | None,
        option(
            "--output",
            SHORT["output"],
            panel=Panel.OUTPUT,
            metavar="FILE",
            help="Write it there instead of to standard output; repeat it for more files: "
            f"{', '.join(FORMATS)}.",
        ),
    ] = None,
    format: Annotated[Literal["terminal", "json"] | None, shared("format")] = None,
    quiet: Annotated[bool, shared("quiet")] = False,
    debug: Debug = False,
) -> None:
    """Put many reports into one table: models, with mean and deviation over training seeds.

    Columns are the numbers of Jain & Wallace (2019) that the reports hold, over all examples and by
    predicted class. Reports that differ in the training's seed and the weights alone are seeds of
    one model.
    """
    with guard(debug=debug):
        from attn_audit.cli.last import located
        from attn_audit.cli.results import deliver
        from attn_audit.formats.result_files import require_reports
        from attn_audit.judgement.tabulation import tabulate
        from attn_audit.plugins import load_plugins

        load_plugins(plugin or [])
        paths = [located(path) for path in reports]
        require_reports(output or [], paths, formats=FORMATS)
        deliver(tabulate(paths, only or []), "table", output=output, format=format, quiet=quiet)
