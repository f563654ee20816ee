"""`metrics`: everything that a policy may bound."""

from typing import Annotated, Literal

from attn_audit.cli.gating import Debug
from attn_audit.cli.options import RESULT, shared
from attn_audit.cli.running import guard


def metrics(
    *,
    output: RESULT = None,
    format: Annotated[Literal["terminal", "json"] | None, shared("format")] = None,
    quiet: Annotated[bool, shared("quiet")] = False,
    debug: Debug = False,
) -> None:
    """List what a policy may bound, with definitions."""
    with guard(debug=debug):
        from attn_audit.cli.output import deliver
        from attn_audit.formats.outputs import require_reports
        from attn_audit.formats.registry import OF_RESULTS
        from attn_audit.results.metrics import METRICS

        require_reports(output or [], (), formats=OF_RESULTS)
        found = tuple(METRICS.values())
        deliver(found, "metrics", output=output, format=format, quiet=quiet)
