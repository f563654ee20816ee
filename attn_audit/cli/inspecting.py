"""`inspect`: what a model is, before any text is read."""

import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from attn_audit import demo
from attn_audit.config import load_settings
from attn_audit.errors import ConfigurationError
from attn_audit.formats import describe

OPTIONS_OF_INSPECT = ["model", "config", "vocabulary", "format", "quiet", "debug"]


def inspect_model(**values: Any) -> None:
    """Load a model and show what it is and what can be audited of it."""
    names = ("model", "vocabulary", "format")
    flags = {name: str(values[name]) for name in names if values[name] is not None}
    settings = load_settings(flags, values["config"], Path.cwd())
    if settings.model is None:
        raise ConfigurationError(
            "no MODEL given", hint="Give a model.pt or a folder, or `demo` for the packaged model."
        )
    import torch

    from attn_audit.models.loading import load_model

    vocabulary = None if settings.vocabulary is None else Path(settings.vocabulary)
    location = demo.or_packaged(settings.model, demo.MODEL)
    description = load_model(location, torch.device("cpu"), vocabulary).describe()
    if settings.format == "json":
        sys.stdout.write(description.model_dump_json(indent=2) + "\n")
    else:
        describe.render(description, Console())
