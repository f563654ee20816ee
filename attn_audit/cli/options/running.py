"""Options that say how an audit is run, and what comes out."""

from pathlib import Path
from typing import Annotated, Any, Literal

from attn_audit.cli.options.base import HOW, OUTPUT, STORING, option
from attn_audit.formats.registry import FORMATS

RUNNING: dict[str, Any] = {
    "seed": Annotated[
        int | None, option("--seed", panel=HOW, metavar="N", help="Of all draws. (default: 0)")
    ],
    "device": Annotated[
        Literal["auto", "cpu", "cuda"] | None,
        option("--device", panel=HOW, help="Where to compute. (default: auto)"),
    ],
    "batch_size": Annotated[
        str | None,
        option(
            "--batch-size",
            panel=HOW,
            metavar="auto|N",
            help="Examples in a batch. (default: auto)",
        ),
    ],
    "threads": Annotated[
        int | None,
        option("--threads", panel=HOW, metavar="N", help="CPU threads to compute with."),
    ],
    "on_error": Annotated[
        Literal["stop", "record"] | None,
        option(
            "--on-error",
            panel=HOW,
            help="An example at which the model fails ends the audit, or is recorded as failed. "
            "(default: stop)",
        ),
    ],
}

STORE: dict[str, Any] = {
    "engine": Annotated[
        Literal["local", "ray"] | None,
        option(
            "--engine",
            panel=STORING,
            help="Audit in this process, or on a Ray cluster. (default: local)",
        ),
    ],
    "workers": Annotated[
        int | None,
        option(
            "--workers",
            panel=STORING,
            metavar="N",
            help="Workers of the cluster, each with the model and --threads CPUs. (default: as "
            "many as there is room for)",
        ),
    ],
    "gpus_per_worker": Annotated[
        float | None,
        option("--gpus-per-worker", panel=STORING, metavar="N", help="(default: 0)"),
    ],
    "ray_address": Annotated[
        str | None,
        option(
            "--ray-address",
            panel=STORING,
            metavar="HOST:PORT",
            help="Of a running cluster. (default: one is started on this machine)",
        ),
    ],
    "run_dir": Annotated[
        str | None,
        option(
            "--run-dir",
            panel=STORING,
            metavar="DIR",
            help="Keep the records there, shard by shard: a new or empty folder, or a URL.",
        ),
    ],
    "resume": Annotated[
        bool | None,
        option(
            "--resume",
            panel=STORING,
            help="Go on with the audit that was started in --run-dir, or start it.",
        ),
    ],
    "shard_size": Annotated[
        int | None,
        option(
            "--shard-size",
            panel=STORING,
            metavar="N",
            help="Examples that are kept, or done again, together. (default: 2000)",
        ),
    ],
}

OUTPUTS: dict[str, Any] = {
    "output": Annotated[
        list[Path] | None,
        option(
            "--output",
            panel=OUTPUT,
            metavar="FILE",
            help="Write the report there instead of to standard output; repeat it for more files: "
            f"{', '.join(FORMATS)}.",
        ),
    ],
    "figures": Annotated[
        Path | None,
        option(
            "--figures",
            panel=OUTPUT,
            metavar="DIR",
            help="Write the figures there, as PNG, SVG and PDF: a new or empty folder.",
        ),
    ],
    "format": Annotated[
        Literal["terminal", "json"] | None,
        option("--format", panel=OUTPUT, help="Of standard output. (default: terminal)"),
    ],
    "records": Annotated[
        Path | None,
        option(
            "--records",
            panel=OUTPUT,
            metavar="FILE",
            help="Write what was found for each example: .parquet, .jsonl or .csv.",
        ),
    ],
    "reproducible": Annotated[
        bool | None,
        option(
            "--reproducible",
            panel=OUTPUT,
            help="Leave time stamps and durations out: the same audit gives the same bytes.",
        ),
    ],
    "quiet": Annotated[
        bool, option("--quiet", "-q", panel=OUTPUT, help="No progress and no notes.")
    ],
    "debug": Annotated[
        bool, option("--debug", panel=OUTPUT, help="Show the traceback of a crash.")
    ],
}
