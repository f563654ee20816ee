"""`inspect`: what a model is, and what trying it out on a few texts shows of its attention."""

from typing import Any

from attn_audit.arithmetic import no_collection
from attn_audit.cli.options import OPTIONS, RESULT, of_panels
from attn_audit.cli.running import format_of, settings_of
from attn_audit.errors import ConfigurationError
from attn_audit.settings import Panel

_SHARED = (
    *("model", "data", "config", "split"),
    *of_panels(Panel.LOADING, Panel.FIELDS),
    "device",
)
OPTIONS_OF_INSPECT: dict[str, Any] = {
    **{name: OPTIONS[name] for name in _SHARED},
    "output": RESULT,
    **{name: OPTIONS[name] for name in ("format", "quiet", "debug")},
}


def inspect_model(**values: Any) -> None:
    """Load a model and show what it is and what can be audited of it."""
    settings = settings_of({**values, "output": None})
    if settings.model is None:
        raise ConfigurationError(
            "no MODEL given",
            hint="Give a HuggingFace folder or hub name, a model.pt, a folder of the original "
            "code, or `demo` for the packaged model.",
        )
    with no_collection():
        from attn_audit.cli.output import deliver, require_result_outputs
        from attn_audit.inputs import AuditedData, load_named_model

    output = values["output"]
    require_result_outputs(output, settings)
    if settings.data is None:
        model = load_named_model(settings, ())
    else:
        trial, data = AuditedData.of(settings).take_trial()
        model, _ = data.load_model(settings, trial)
    shown = format_of(values, settings)
    deliver(model.describe(), "model", output=output, format=shown, quiet=values["quiet"])
