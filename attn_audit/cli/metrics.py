"""`metrics`: everything that a policy may bound, and what the records hold."""

from typing import Annotated, Literal

from attn_audit.cli.gating import Debug
from attn_audit.cli.options import RESULT, shared
from attn_audit.cli.running import guard


def metrics(
    *,
    plugin: Annotated[list[str] | None, shared("plugin")] = None,
    output: RESULT = None,
    format: Annotated[Literal["terminal", "json"] | None, shared("format")] = None,
    quiet: Annotated[bool, shared("quiet")] = False,
    debug: Debug = False,
) -> None:
    """List what a policy may bound and records hold, defined."""
    with guard(debug=debug):
        from attn_audit.cli.output import deliver
        from attn_audit.findings.registry import all_fields, statistics
        from attn_audit.formats.documents.metrics import Dictionary
        from attn_audit.formats.outputs import require_reports
        from attn_audit.formats.registry import OF_RESULTS
        from attn_audit.plugins import load_plugins

        load_plugins(plugin or [])
        require_reports(output or [], (), formats=OF_RESULTS)
        found = Dictionary(tuple(statistics().values()), all_fields())
        deliver(found, "metrics", output=output, format=format, quiet=quiet)
