"""`inspect`: what a model is, and what trying it out on a few texts shows of its attention."""

import sys
from typing import Any

from rich.console import Console

from attn_audit.cli.options import of_panels
from attn_audit.cli.running import settings_of
from attn_audit.collecting import no_collection
from attn_audit.errors import ConfigurationError
from attn_audit.settings import Panel

OPTIONS_OF_INSPECT = [
    *("model", "data", "config", "split"),
    *of_panels(Panel.LOADING, Panel.FIELDS),
    *("device", "format", "quiet", "debug"),
]


def inspect_model(**values: Any) -> None:
    """Load a model and show what it is and what can be audited of it."""
    settings = settings_of(values)
    if settings.model is None:
        raise ConfigurationError(
            "no MODEL given",
            hint="Give a HuggingFace folder or hub name, a model.pt, a folder of the original "
            "code, or `demo` for the packaged model.",
        )
    with no_collection():
        from attn_audit.formats import describe
        from attn_audit.inputs import AuditedData, load_named_model

    if settings.data is None:
        model = load_named_model(settings, ())
    else:
        trial, data = AuditedData.of(settings).take_trial()
        model, _ = data.load_model(settings, trial)
    description = model.describe()
    if settings.format == "json":
        sys.stdout.write(description.model_dump_json(indent=2) + "\n")
    else:
        describe.render(description, Console())
