"""`paper`: every model of the paper trained on one data set, audited, and tabled."""

from enum import StrEnum
from pathlib import Path
from typing import Any

from attn_audit.cli.command import command, settings_of
from attn_audit.cli.options import OPTIONS, SHORT, option
from attn_audit.cli.train import DEFAULTS, MODEL, TRAIN, observer
from attn_audit.process import no_collection
from attn_audit.settings import KEYS, Panel

Encoder = StrEnum("Encoder", ("bilstm", "cnn", "average"))
Attention = StrEnum("Attention", ("additive", "dot"))
"""What may be chosen several times over, which Typer takes no literals for."""

_OWN: dict[str, Any] = {
    **{name: OPTIONS[name] for name in ("limit", "split")},
    "encoder": option(
        list[Encoder] | None,
        MODEL,
        "One of the encoders alone; repeat it for two. (default: all three)",
        f"<{'|'.join(Encoder)}>",
    ),
    "attention": option(
        list[Attention] | None,
        MODEL,
        "One kind of attention alone. (default: both)",
        f"<{'|'.join(Attention)}>",
    ),
    "seed": option(
        list[int] | None,
        Panel.HOW,
        "Of the first weights and the order of texts; repeat it, and tables give mean and "
        "standard deviation over seeds. (default: 0)",
        "N",
    ),
    "output": option(
        Path,
        Panel.OUTPUT,
        "Where models, reports, tables and the page go: a new folder, or one to go on in.",
        *("FOLDER", "--output", SHORT["output"]),
    ),
}
_HERE = [name for name in TRAIN if name != "precision"]
_OPTIONS = {n: _OWN.get(n) or TRAIN[n] for n in (*_HERE[:4], "split", "limit", *_HERE[4:])}
_DEFAULTS = {name: default for name, default in DEFAULTS.items() if name not in _OWN} | {
    "output": ...
}


@command("paper", *_OPTIONS, defaults=_DEFAULTS, **_OPTIONS)
def reproduce(**values: Any) -> None:
    """Train the paper's models on a data set, audit each, and write the paper's tables and figures.

    Three encoders with two kinds of attention each. What is finished stays in the folder: the same
    command goes on where it was interrupted. Settings of the audits are read from attn-audit.toml.
    """
    with no_collection():
        from attn_audit.cli.results import say_written, show_output
        from attn_audit.engine.paper import OF_TRAINING, Reproduction
        from attn_audit.formats.documents.paper import PAGE, TABLES

    folder, quiet = values["output"], values["quiet"]
    of_audits = {name for name in KEYS if name not in (*OF_TRAINING, "output")}
    told = {name: value for name, value in values.items() if name in of_audits}
    audit = settings_of({**told, "data": [values["data"]], "config": None})
    table, _ = Reproduction.of(folder, values, audit, observer(quiet=quiet)).run()
    show_output(table, "terminal")
    if not quiet:
        say_written("table", [folder / name for name in TABLES])
        say_written("page", [folder / PAGE])
