"""`plan`: what an audit with the same options will take."""

import sys
from typing import Any

from rich.console import Console

from attn_audit.cli.options import OPTIONS, of_panels
from attn_audit.cli.running import settings_of
from attn_audit.collecting import no_collection
from attn_audit.settings import Panel

_LATER = {"output", "figures", "records", "reproducible", "on_error"} | set(
    of_panels(Panel.STORING, Panel.GATE)
)
OPTIONS_OF_PLAN = [name for name in OPTIONS if name not in _LATER]


def plan_audit(**values: Any) -> None:
    """Try a few batches, and show what all of them will take."""
    from attn_audit.config import require_inputs

    settings = settings_of(values)
    require_inputs(settings)
    with no_collection():
        from attn_audit.formats import forecast
        from attn_audit.planning import forecast_audit

    found = forecast_audit(settings)
    if settings.format == "json":
        sys.stdout.write(found.model_dump_json(indent=2) + "\n")
    else:
        forecast.render(found, Console())
