"""An audit of whether a text model's attention weights may be shown as its reasons."""

from typing import TYPE_CHECKING, Any

from attn_audit.version import __version__

if TYPE_CHECKING:
    from attn_audit.api import audit, explain
    from attn_audit.checks.selection import register_check
    from attn_audit.data.example import Example
    from attn_audit.findings.registry import register_metric
    from attn_audit.formats.registry import register_format
    from attn_audit.gate import judge
    from attn_audit.importance.measures import register_measure
    from attn_audit.models.custom.custom_model import CustomModel
    from attn_audit.models.huggingface.auditing import wrap
    from attn_audit.policy.reading import load_policy
    from attn_audit.results.report import Report

__all__ = [
    "CustomModel",
    "Example",
    "Report",
    "__version__",
    "audit",
    "explain",
    "judge",
    "load_policy",
    "register_check",
    "register_format",
    "register_measure",
    "register_metric",
    "wrap",
]

_HOMES = {
    "audit": "attn_audit.api",
    "CustomModel": "attn_audit.models.custom.custom_model",
    "explain": "attn_audit.api",
    "Example": "attn_audit.data.example",
    "judge": "attn_audit.gate",
    "load_policy": "attn_audit.policy.reading",
    "register_check": "attn_audit.checks.selection",
    "register_format": "attn_audit.formats.registry",
    "register_measure": "attn_audit.importance.measures",
    "register_metric": "attn_audit.findings.registry",
    "Report": "attn_audit.results.report",
    "wrap": "attn_audit.models.huggingface.auditing",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: `attn-audit --help` needs no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
