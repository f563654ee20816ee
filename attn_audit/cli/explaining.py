"""`explain`: one text, its words shaded by all that an audit measures."""

import sys
from typing import Annotated, Any

from attn_audit.arithmetic import no_collection
from attn_audit.cli.options import OPTIONS, RESULT, of_panels, option
from attn_audit.cli.running import format_of, settings_of
from attn_audit.errors import ConfigurationError
from attn_audit.settings import Panel

_OWN: dict[str, Any] = {
    "text": Annotated[
        str | None,
        option(
            "--text", panel=Panel.WHAT, metavar="TEXT", help="The text; - reads standard input."
        ),
    ],
    "text_pair": Annotated[
        str | None,
        option("--text-pair", panel=Panel.WHAT, metavar="TEXT", help="The second text of a pair."),
    ],
}
_SHARED = (
    *of_panels(Panel.LOADING),
    "config", "layer", "head", "rows", "unit", "plugin", "removal", "permutations", "epsilon",
    "method", "iterations", "restarts", "seed", "device", "threads",
)  # fmt: skip
OPTIONS_OF_EXPLAIN: dict[str, Any] = {
    "model": OPTIONS["model"],
    **_OWN,
    **{name: OPTIONS[name] for name in _SHARED},
    "output": RESULT,
    **{name: OPTIONS[name] for name in ("format", "quiet", "debug")},
}


def explain(**values: Any) -> None:
    """Run every check on one text, and show it."""
    settings = settings_of({name: values[name] for name in values if name not in (*_OWN, "output")})
    text = values["text"]
    missing = [name for name, given in (("MODEL", settings.model), ("--text", text)) if not given]
    if missing:
        raise ConfigurationError(
            f"nothing to explain: no {' and no '.join(missing)} given",
            hint='attn-audit explain MODEL --text "..."; `--text -` reads standard input.',
        )
    with no_collection():
        from attn_audit.cli.output import deliver, require_result_outputs
        from attn_audit.explaining import explain_text

    output = values["output"]
    require_result_outputs(output, settings)
    if text == "-":
        text = sys.stdin.read().rstrip("\n")
    found = explain_text(settings, text, values["text_pair"])
    shown = format_of(values, settings)
    deliver(found, "explanation", output=output, format=shown, quiet=values["quiet"])
