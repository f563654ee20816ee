"""Options that say what is audited: the model, the data, and what the data's fields are called."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from attn_audit.cli.options.base import FIELDS, WHAT, option

_FIELDS = {
    "text": "Field of the text. (default: text)",
    "text_pair": "Field of the second text of a pair. (default: text_pair)",
    "label": "Field of the label. (default: label)",
    "labels": "Field of several labels. (default: labels)",
    "candidates": "Field of the answers that may be given. (default: candidates)",
    "id": "Field of the id. (default: id)",
}

INPUTS: dict[str, Any] = {
    "model": Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A HuggingFace folder or hub name, a model.pt made by `attn-audit train`, a "
            "folder of the original code, `demo`, or what --adapter takes.",
            show_default=False,
        ),
    ],
    "data": Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A .jsonl, .jsonl.gz, .csv, .tsv or .parquet file, a folder of splits, a URL of "
            "either (s3://...), `-`, the name of a HuggingFace data set, or `demo`.",
            show_default=False,
        ),
    ],
    "config": Annotated[
        Path | None,
        option(
            "--config",
            panel=WHAT,
            metavar="FILE",
            help="Settings in TOML; attn-audit.toml in the working directory is read by itself.",
        ),
    ],
    "split": Annotated[
        str | None,
        option("--split", panel=WHAT, help="Split of a folder or data set. (default: test)"),
    ],
    "limit": Annotated[
        int | None,
        option("--limit", panel=WHAT, metavar="N", help="Audit a random sample of N examples."),
    ],
    "quoting": Annotated[
        Literal["auto", "none", "csv"] | None,
        option(
            "--quoting",
            panel=WHAT,
            help="Whether cells of a table are quoted. (default: in CSV, and in TSV if the whole "
            "file says so)",
        ),
    ],
    "max_unpacked_mb": Annotated[
        int | None,
        option(
            "--max-unpacked-mb",
            panel=WHAT,
            metavar="N",
            help="How much a packed data file may hold. (default: 100 times its size)",
        ),
    ],
}

NAMES: dict[str, Any] = {
    "label_map": Annotated[
        list[str] | None,
        option(
            "--label-map",
            panel=FIELDS,
            metavar="DATA=MODEL,...",
            help="Rename labels of the data: neg=negative,pos=positive.",
        ),
    ],
    **{
        f"{name}_field": Annotated[
            str | None,
            option(f"--{name.replace('_', '-')}-field", panel=FIELDS, metavar="NAME", help=text),
        ]
        for name, text in _FIELDS.items()
    },
}
