"""The command line: every command is registered where it stands, and shown in one order."""

import gc
import sys
from typing import Annotated

import typer
from rich.console import Console

from attn_audit import __version__
from attn_audit.cli import audit, paper, report, train
from attn_audit.cli.command import Command, app, naming_standard_output, say
from attn_audit.cli.examples import EXAMPLES
from attn_audit.errors import OutputError

__all__ = ["app", "audit", "main", "paper", "report", "train"]


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


@app.command("help", cls=Command)
def show_help(
    name: Annotated[str | None, typer.Argument(metavar="COMMAND", show_default=False)] = None,
) -> None:
    """Say what there is, or what COMMAND does, with examples and all options."""
    app([*filter(None, [name]), "--help"])


app.registered_commands.sort(key=lambda found: list(EXAMPLES).index(str(found.name)))


def _keep_alone(name: str) -> None:
    """Have a command that is named built without the others: they have hundreds of options."""
    named = [found for found in app.registered_commands if found.name == name != "help"]
    app.registered_commands = named or app.registered_commands


SELDOM = 100
"""How often what was made of late is looked through for garbage, to once all that there is: that
are mostly the modules of large libraries, which stay, and to look through them takes long."""


def main() -> None:
    """Run the command line, once in a process."""
    gc.set_threshold(*gc.get_threshold()[:2], SELDOM)
    _keep_alone(sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        with naming_standard_output():
            app()
    except OutputError as error:  # of help, versions and policies, which are printed by no command
        say(error.message, error.hint)
        sys.exit(error.exit_code)
