"""Options that say how the model is loaded."""

from pathlib import Path
from typing import Annotated, Any, Literal

from attn_audit.cli.options.base import LOADING, option

MODELS: dict[str, Any] = {
    "dtype": Annotated[
        Literal["float32", "float64", "bfloat16", "float16"] | None,
        option(
            "--dtype",
            panel=LOADING,
            metavar="NAME",
            help="Numbers to compute with: float32, float64, bfloat16 or float16. (default: "
            "float32; half precision moves probabilities by about 1e-3, and no smaller effect can "
            "be told from that rounding)",
        ),
    ],
    "max_length": Annotated[
        int | None,
        option(
            "--max-length",
            panel=LOADING,
            metavar="N",
            help="Cut texts to N tokens; how many were cut is reported. (default: what the model "
            "takes)",
        ),
    ],
    "task": Annotated[
        Literal["binary"] | None,
        option(
            "--task",
            panel=LOADING,
            help="binary: a head with one output is one sigmoid, not a regression.",
        ),
    ],
    "revision": Annotated[
        str | None,
        option(
            "--revision",
            panel=LOADING,
            metavar="NAME",
            help="Branch, tag or commit of a model on the hub.",
        ),
    ],
    "trust_remote_code": Annotated[
        bool | None,
        option(
            "--trust-remote-code",
            panel=LOADING,
            help="Run the Python code that comes with the model.",
        ),
    ],
    "adapter": Annotated[
        str | None,
        option(
            "--adapter",
            panel=LOADING,
            metavar="WHERE:FUNCTION",
            help="Code of yours that loads MODEL: package.module:function or file.py:function.",
        ),
    ],
    "vocabulary": Annotated[
        Path | None,
        option(
            "--vocabulary",
            panel=LOADING,
            metavar="FILE",
            help="For a folder of the original code without vocab.json: a JSON object from word "
            "to id.",
        ),
    ],
}
