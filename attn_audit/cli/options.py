"""Options as Typer takes them, made from the table of settings: a command is a choice of rows.

All default to None, which means "not said": a configuration file may say it, or a default holds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

import typer

from attn_audit.formats.registry import OF_RESULTS
from attn_audit.settings import KEYS, SETTINGS, Panel, default_in_words, kinds_of

SHORT = {"output": "-o"}
"""What may stand for an option's name, beside `-q`, `-h` and `-v`."""

SWITCHES = ("quiet", "debug")
"""Options of the command itself, not of the audit."""


def option(kind: Any, panel: str | None, help: str, metavar: str | None = None, *names: str) -> Any:
    """An option of a type, in a panel of the help.

    Args:
        names: Those of a switch, and where it is not called as its argument is.
    """
    told = typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar)
    return Annotated[kind, told]


def argument(kind: Any, metavar: str, help: str) -> Any:
    """What stands in a place of its own."""
    return Annotated[kind, typer.Argument(metavar=metavar, help=help, show_default=False)]


def shared(name: str) -> Any:
    """A setting's option, for a command that writes its own signature."""
    return OPTIONS[name].__metadata__[0]


def of_panels(*panels: Panel) -> tuple[str, ...]:
    """All settings of some panels."""
    return tuple(name for name in KEYS if SETTINGS[name].panel in panels)


def _row(name: str) -> Any:
    setting, default = SETTINGS[name], default_in_words(name)
    # Typer parses words, where they may stand for more than one type.
    only, *others = kinds_of(name)
    is_one = get_origin(only) is Literal or isinstance(only, type)
    kind = (str if others else only if is_one else list[str]) | None
    if setting.is_argument:
        return argument(kind, str(setting.metavar), setting.help)
    help = " ".join(filter(None, (setting.help, default and f"(default: {default})")))
    names = filter(None, (f"--{name.replace('_', '-')}", SHORT.get(name)))
    return option(kind, setting.panel, help, setting.metavar, *names)


_OWN = {
    "more_data": option(
        list[str] | None,
        Panel.WHAT,
        "DATA by name; repeat it for more files, which are read as one.",
        *("DATA", "--data"),
    ),
    "config": option(
        Path | None,
        Panel.WHAT,
        "Settings in TOML; attn-audit.toml in the working directory is read by itself.",
        "FILE",
    ),
    "quiet": option(bool, Panel.OUTPUT, "No progress and no notes.", None, "--quiet", "-q"),
    "debug": option(bool, Panel.OUTPUT, "Show the traceback of a crash.", None, "--debug"),
}

OPTIONS: dict[str, Any] = dict.fromkeys(("model", "data", "more_data", "config"))
OPTIONS |= {name: _row(name) for name in KEYS} | _OWN
"""By name, in the order in which help shows them."""


def written_as(formats: Sequence[str]) -> Any:
    """`--output` of a command whose result is no report."""
    help = (
        "Write it there instead of to standard output; repeat it for more files: "
        f"{', '.join(formats)}."
    )
    return option(list[Path] | None, Panel.OUTPUT, help, "FILE", "--output", SHORT["output"])


RESULT = written_as(OF_RESULTS)
