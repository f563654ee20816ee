"""What made a report, and how."""

import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import torch

from attn_audit.checks.base import Check
from attn_audit.checks.selection import epsilon_for
from attn_audit.config import AuditSettings
from attn_audit.models.base import AuditedModel, Site
from attn_audit.results.report import DEFINITIONS_VERSION, Settings, Tool
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
    return Settings(
        fields=settings.fields,
        label_map=settings.label_map,
        quoting=settings.quoting,
        checks=tuple(check.id for check in checks),
        measures=settings.measures,
        epsilon=epsilon_for(settings, model),
        permutations=settings.permutations,
        method=settings.method,
        iterations=settings.iterations,
        restarts=settings.restarts,
        layer=site.layer,
        head=site.head,
        rows=site.rows.value,
        unit=model.unit,
        max_length=settings.max_length,
        revision=settings.revision,
        trust_remote_code=settings.trust_remote_code,
        adapter=settings.adapter,
        seed=settings.seed,
        batch_size=str(settings.batch_size),
        threads=torch.get_num_threads(),
        device=model.device.type,
    )
