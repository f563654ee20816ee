"""`attn-audit shown`: scores that come with the data, without a model."""

from typing import Any

from attn_audit.cli.command import settings_of
from attn_audit.cli.options import RESULT, of_panels, rows
from attn_audit.errors import ConfigurationError
from attn_audit.process import no_collection
from attn_audit.settings import Panel

OPTIONS_OF_SHOWN = rows(
    *("data", "more_data", "config", "split", "quoting", "max_unpacked_mb"),
    *of_panels(Panel.FIELDS),
    *("seed", "output", "format", "quiet", "debug"),
    output=RESULT,
)


def compare_shown(**values: Any) -> None:
    """Compare scores that products show with what people marked, and with each other.

    No model is asked: words are the units. `recommend MODEL DATA --shown FIELD` asks one.
    """
    settings = settings_of({**values, "output": None, "checks": "plausibility"})
    missing = [name for name in ("data", "shown") if not getattr(settings, name)]
    if missing:
        named = " and no ".join({"data": "DATA", "shown": "--shown"}[name] for name in missing)
        raise ConfigurationError(
            f"nothing to compare: no {named} given",
            hint="attn-audit shown DATA --shown FIELD,FIELD",
        )
    with no_collection():
        from attn_audit.cli.result_files import find_and_deliver
        from attn_audit.engine.shown import compare_shown as compared

    find_and_deliver("comparison", lambda: compared(settings), values, settings)
