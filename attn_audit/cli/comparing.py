"""`compare`: did the new release get worse?"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from attn_audit.cli.gating import Debug, Format
from attn_audit.cli.options.judging import Inconclusive
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
    inconclusive: Inconclusive = None,
    allow_different_data: Annotated[
        bool,
        typer.Option(
            "--allow-different-data",
            help="Compare the summaries alone, whatever data they are of.",
        ),
    ] = False,
    format: Format = "terminal",
    debug: Debug = False,
) -> None:
    """Compare two reports, example by example where they have records.

    Exit code 0: done, and no bound of the policy is broken. 1: one is. 4: inconclusive.
    """
    with guard(debug=debug):
        from attn_audit.cli.verdicts import finish
        from attn_audit.compare import compare as compared
        from attn_audit.formats.terminal.comparison import render
        from attn_audit.policy.reading import load_policy

        found = compared(
            base,
            new,
            None if policy is None else load_policy(policy),
            allow_different_data=allow_different_data,
        )
        if format == "json":
            sys.stdout.write(found.to_json())
        else:
            console = Console()
            with console.capture() as captured:
                render(found, console)
            sys.stdout.write(captured.get())
        if found.verdict is not None:
            finish(found.verdict.outcome, inconclusive)
