"""Flags and arguments, one table: a command is a choice of rows.

All default to None, which means "not said": a configuration file may say it, or a default holds.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

_WHAT = "What is audited"
_FIELDS = "Names in the data"
_CHECKS = "How it is checked"
_HOW = "How it is run"
_OUTPUT = "What comes out"


def _option(*names: str, panel: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar)


OPTIONS: dict[str, Any] = {
    "model": Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A model.pt made by `attn-audit train`, a folder of the original code, or `demo`.",
            show_default=False,
        ),
    ],
    "data": Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A .jsonl, .jsonl.gz, .csv, .tsv or .parquet file, a folder of splits, `-`, the "
            "name of a HuggingFace data set, or `demo`.",
            show_default=False,
        ),
    ],
    "config": Annotated[
        Path | None,
        _option(
            "--config",
            panel=_WHAT,
            metavar="FILE",
            help="Settings in TOML; attn-audit.toml in the working directory is read by itself.",
        ),
    ],
    "split": Annotated[
        str | None,
        _option("--split", panel=_WHAT, help="Split of a folder or data set. (default: test)"),
    ],
    "limit": Annotated[
        int | None,
        _option("--limit", panel=_WHAT, metavar="N", help="Audit a random sample of N examples."),
    ],
    "vocabulary": Annotated[
        Path | None,
        _option(
            "--vocabulary",
            panel=_WHAT,
            metavar="FILE",
            help="For a folder of the original code without vocab.json: a JSON object from word "
            "to id.",
        ),
    ],
    "label_map": Annotated[
        str | None,
        _option(
            "--label-map",
            panel=_FIELDS,
            metavar="DATA=MODEL,...",
            help="Rename labels of the data: neg=negative,pos=positive.",
        ),
    ],
    **{
        f"{name}_field": Annotated[
            str | None,
            _option(f"--{name.replace('_', '-')}-field", panel=_FIELDS, metavar="NAME", help=text),
        ]
        for name, text in {
            "text": "Field of the text. (default: text)",
            "text_pair": "Field of the second text of a pair. (default: text_pair)",
            "label": "Field of the label. (default: label)",
            "labels": "Field of several labels. (default: labels)",
            "candidates": "Field of the answers that may be given. (default: candidates)",
            "id": "Field of the id. (default: id)",
        }.items()
    },
    "checks": Annotated[
        str | None,
        _option(
            "--checks",
            panel=_CHECKS,
            metavar="NAME,...",
            help="Which checks. (default: correlation,permutation,adversarial)",
        ),
    ],
    "measures": Annotated[
        str | None,
        _option(
            "--measures",
            panel=_CHECKS,
            metavar="NAME,...",
            help="What attention is correlated with. (default: gradient,leave_one_out)",
        ),
    ],
    "permutations": Annotated[
        int | None,
        _option(
            "--permutations",
            panel=_CHECKS,
            metavar="N",
            help="Random permutations of each example. (default: 100)",
        ),
    ],
    "epsilon": Annotated[
        float | None,
        _option(
            "--epsilon",
            panel=_CHECKS,
            metavar="DISTANCE",
            help="Largest change of the output that counts as none. "
            "(default: 0.01, for pairs 0.05)",
        ),
    ],
    "method": Annotated[
        Literal["auto", "exact", "gradient"] | None,
        _option(
            "--method",
            panel=_CHECKS,
            help="How adversarial attention is found. (default: auto: exact where possible)",
        ),
    ],
    "iterations": Annotated[
        int | None,
        _option(
            "--iterations",
            panel=_CHECKS,
            metavar="N",
            help="Steps of the gradient adversary. (default: 500)",
        ),
    ],
    "restarts": Annotated[
        int | None,
        _option(
            "--restarts",
            panel=_CHECKS,
            metavar="N",
            help="Distributions the gradient adversary searches with. (default: 5)",
        ),
    ],
    "seed": Annotated[
        int | None, _option("--seed", panel=_HOW, metavar="N", help="Of all draws. (default: 0)")
    ],
    "device": Annotated[
        Literal["auto", "cpu", "cuda"] | None,
        _option("--device", panel=_HOW, help="Where to compute. (default: auto)"),
    ],
    "batch_size": Annotated[
        str | None,
        _option(
            "--batch-size",
            panel=_HOW,
            metavar="auto|N",
            help="Examples in a batch. (default: auto)",
        ),
    ],
    "threads": Annotated[
        int | None,
        _option("--threads", panel=_HOW, metavar="N", help="CPU threads to compute with."),
    ],
    "output": Annotated[
        Path | None,
        _option(
            "--output",
            panel=_OUTPUT,
            metavar="FILE",
            help="Write the report there instead of to standard output: .json or .txt.",
        ),
    ],
    "format": Annotated[
        Literal["terminal", "json"] | None,
        _option("--format", panel=_OUTPUT, help="Of standard output. (default: terminal)"),
    ],
    "records": Annotated[
        Path | None,
        _option(
            "--records",
            panel=_OUTPUT,
            metavar="FILE",
            help="Write what was found for each example: .parquet, .jsonl or .csv.",
        ),
    ],
    "reproducible": Annotated[
        bool | None,
        _option(
            "--reproducible",
            panel=_OUTPUT,
            help="Leave time stamps and durations out: the same audit gives the same bytes.",
        ),
    ],
    "quiet": Annotated[
        bool, _option("--quiet", "-q", panel=_OUTPUT, help="No progress and no notes.")
    ],
    "debug": Annotated[
        bool, _option("--debug", panel=_OUTPUT, help="Show the traceback of a crash.")
    ],
}

SWITCHES = ("quiet", "debug")
"""Options of the command itself, not of the audit."""
