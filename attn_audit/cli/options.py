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


def option(*names: str, panel: Panel, help: str, metavar: str | None = None) -> Any:
    """An option that is no setting."""
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar)


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
    if setting.is_argument:
        told = typer.Argument(metavar=setting.metavar, help=setting.help, show_default=False)
    else:
        parts = (setting.help, "" if default is None else f"(default: {default})")
        told = option(
            *filter(None, [f"--{name.replace('_', '-')}", SHORT.get(name)]),
            panel=setting.panel,
            help=" ".join(filter(None, parts)),
            metavar=setting.metavar,
        )
    # Typer parses words, where they may stand for more than one type.
    only, *others = kinds_of(name)
    is_one = get_origin(only) is Literal or isinstance(only, type)
    return Annotated[(str if others else only if is_one else list[str]) | None, told]


_OWN = {
    "more_data": Annotated[
        list[str] | None,
        option(
            "--data",
            panel=Panel.WHAT,
            metavar="DATA",
            help="DATA by name; repeat it for more files, which are read as one.",
        ),
    ],
    "config": Annotated[
        Path | None,
        option(
            "--config",
            panel=Panel.WHAT,
            metavar="FILE",
            help="Settings in TOML; attn-audit.toml in the working directory is read by itself.",
        ),
    ],
    "quiet": Annotated[
        bool, option("--quiet", "-q", panel=Panel.OUTPUT, help="No progress and no notes.")
    ],
    "debug": Annotated[
        bool, option("--debug", panel=Panel.OUTPUT, help="Show the traceback of a crash.")
    ],
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
    names = ("--output", SHORT["output"])
    told = option(*names, panel=Panel.OUTPUT, metavar="FILE", help=help)
    return Annotated[list[Path] | None, told]


RESULT = written_as(OF_RESULTS)
