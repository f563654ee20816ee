"""`plan`: what an audit with the same options will take."""

from typing import Any

from attn_audit.arithmetic import no_collection
from attn_audit.cli.options import OPTIONS, RESULT, of_panels
from attn_audit.cli.running import format_of, settings_of
from attn_audit.settings import Panel

_LATER = {"output", "figures", "records", "reproducible", "on_error"} | set(
    of_panels(Panel.STORING, Panel.GATE)
)
OPTIONS_OF_PLAN: dict[str, Any] = {
    **{name: row for name, row in OPTIONS.items() if name not in _LATER},
    "output": RESULT,
}


def plan_audit(**values: Any) -> None:
    """Try a few batches, and show what all of them will take."""
    from attn_audit.config import require_inputs

    settings = settings_of({**values, "output": None})
    require_inputs(settings)
    with no_collection():
        from attn_audit.cli.output import deliver, require_result_outputs
        from attn_audit.planning import forecast_audit

    output = values["output"]
    require_result_outputs(output, settings)
    found = forecast_audit(settings)
    shown = format_of(values, settings)
    deliver(found, "plan", output=output, format=shown, quiet=values["quiet"])
