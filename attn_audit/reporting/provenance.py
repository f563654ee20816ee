"""What made a report, and how."""

import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import torch

from attn_audit.checks.base import Check
from attn_audit.checks.selection import epsilon_for
from attn_audit.models.base import AuditedModel, Site
from attn_audit.plugins import loaded_plugins
from attn_audit.results.report import DEFINITIONS_VERSION, Settings, Tool
from attn_audit.settings import AuditSettings, names_where
from attn_audit.version import __version__


def describe_tool() -> Tool:
    """This program and the libraries that its numbers depend on."""
    libraries = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }
    if "transformers" in sys.modules:  # only where the model is one of its own
        libraries |= {"transformers": version("transformers")}
    return Tool(
        name="attn-audit",
        version=__version__,
        libraries=libraries,
        definitions=DEFINITIONS_VERSION,
        plugins=dict(loaded_plugins()),
    )


def describe_settings(
    settings: AuditSettings, checks: Sequence[Check], site: Site, model: AuditedModel
) -> Settings:
    """Everything that changes a number, as it was decided.

    Args:
        settings: As the user gave them.
        checks: What was run.
        site: What was audited.
        model: Which model.
    """
    given = {name: getattr(settings, name) for name in names_where(is_stored=True)}
    given |= {name: getattr(settings, name) for name in names_where(names_code=True)}
    decided = {
        "checks": tuple(check.id for check in checks),
        "epsilon": epsilon_for(settings, model),
        "layer": site.layer,
        "head": site.head,
        "rows": site.rows.value,
        "unit": model.unit,
        "batch_size": str(settings.batch_size),
        "threads": torch.get_num_threads(),
        "device": model.device.type,
    }
    return Settings(
        fields=settings.fields,
        **(given | decided),
    )
