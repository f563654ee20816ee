"""How a row of the option table is made, and the panels that `--help` sorts them into."""

from typing import Any

import typer

WHAT = "What is audited"
LOADING = "How the model is loaded"
FIELDS = "Names in the data"
SITES = "Which attention"
CHECKS = "How it is checked"
HOW = "How it is run"
STORING = "Large audits"
OUTPUT = "What comes out"
GATE = "How it is judged"


def option(*names: str, panel: str, help: str, metavar: str | None = None) -> Any:
    """An option as typer takes it.

    Args:
        *names: `--name`, and shorter ones.
        panel: Of `--help`.
        help: What it is for; says its default, which no signature shows.
        metavar: What its value is.
    """
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar)
