"""The command line: one file per command, thin; `main` is the entry point."""

import sys
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from attn_audit import __version__
from attn_audit.cli.audit import (
    OPTIONS_OF_CHECK_DATA,
    OPTIONS_OF_DEMO,
    OPTIONS_OF_EXPLAIN,
    OPTIONS_OF_INSPECT,
    OPTIONS_OF_PLAN,
    OPTIONS_OF_SHOWN,
    audit_command,
    check_data,
    compare_shown,
    explain,
    inspect_model,
    options_of,
    plan_audit,
    run_demo,
)
from attn_audit.cli.command import (
    WIDEST_HELP,
    Command,
    Commands,
    build_command,
    naming_standard_output,
    say,
)
from attn_audit.cli.paper import DEFAULTS_OF_PAPER, OPTIONS_OF_PAPER, reproduce
from attn_audit.cli.report import (
    OPTIONS_OF_LISTS,
    OPTIONS_OF_SELFTEST,
    OPTIONS_OF_VERIFY,
    compare,
    gate,
    measures,
    metrics,
    report,
    selftest,
    verify,
)
from attn_audit.cli.table import table
from attn_audit.cli.train import train
from attn_audit.errors import OutputError

app = typer.Typer(
    name="attn-audit",
    cls=Commands,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": WIDEST_HELP,
    },
)
command = partial(app.command, cls=Command)


def _show_version(wanted: bool) -> bool:
    if wanted:
        Console().print(f"attn-audit {__version__}", highlight=False)
        raise typer.Exit
    return wanted


@app.callback()
def _callback(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-v", help="Show the version.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """May a text model's attention weights be shown to people as the reason for its predictions?"""


for _name, _check, _help in (
    ("audit", None, "Run all checks, or those that --checks names, and report."),
    ("correlate", "correlation", "Compare attention with gradients and with leaving words out."),
    ("permute", "permutation", "Shuffle attention and see whether the predictions change."),
    ("adversarial", "adversarial", "Look for different attention that predicts the same."),
    ("recommend", "erasure", "Say which measure of importance may be shown instead of attention."),
):
    command(_name)(build_command(audit_command(_check, _help), options_of(_check)))
command("shown")(build_command(compare_shown, OPTIONS_OF_SHOWN))
command("plan")(build_command(plan_audit, OPTIONS_OF_PLAN))
command("check-data")(build_command(check_data, OPTIONS_OF_CHECK_DATA))
command("inspect")(build_command(inspect_model, OPTIONS_OF_INSPECT))
command("report")(report)
command("verify")(build_command(verify, OPTIONS_OF_VERIFY))
command("explain")(build_command(explain, OPTIONS_OF_EXPLAIN))
command("gate")(gate)
command("compare")(compare)
command("table")(table)
command("metrics")(build_command(metrics, OPTIONS_OF_LISTS))
command("measures")(build_command(measures, OPTIONS_OF_LISTS))
command("train")(train)
command("paper")(build_command(reproduce, OPTIONS_OF_PAPER, DEFAULTS_OF_PAPER))
command("demo")(build_command(run_demo, OPTIONS_OF_DEMO))
command("selftest")(build_command(selftest, OPTIONS_OF_SELFTEST))


@command("help")
def show_help(
    name: Annotated[str | None, typer.Argument(metavar="COMMAND", show_default=False)] = None,
) -> None:
    """Say what there is, or what COMMAND does, with examples and all options."""
    app([*filter(None, [name]), "--help"])


def main() -> None:
    """Run the command line."""
    try:
        with naming_standard_output():
            app()
    except OutputError as error:  # of help, versions and policies, which are printed by no command
        say(error.message, error.hint)
        sys.exit(error.exit_code)
