"""`metrics`: everything that a policy may bound."""

import json
import sys

from rich.console import Console

from attn_audit.cli.gating import Debug, Format
from attn_audit.cli.running import guard


def metrics(*, format: Format = "terminal", debug: Debug = False) -> None:
    """List what a policy may bound, with definitions."""
    with guard(debug=debug):
        from attn_audit.results.metrics import METRICS

        if format == "json":
            listed = [metric.as_dict() for metric in METRICS.values()]
            sys.stdout.write(json.dumps(listed, indent=2, ensure_ascii=False) + "\n")
            return
        from attn_audit.formats.terminal.metrics import render

        render(tuple(METRICS.values()), Console())
