"""An audit of whether a text model's attention weights may be shown as its reasons.

What is listed in `__all__` is public; all else may change with any release.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from attn_audit.api import audit, explain, paper, plan, verify
    from attn_audit.checks.registry import register_check
    from attn_audit.data.example import Example
    from attn_audit.errors import AttnAuditError
    from attn_audit.findings.registry import register_metric
    from attn_audit.formats.registry import register_format
    from attn_audit.judgement.policy import Policy, load_policy
    from attn_audit.measures.registry import register_measure
    from attn_audit.models.black_box import wrap_predict
    from attn_audit.models.custom.custom_model import CustomModel
    from attn_audit.models.huggingface.loading import wrap
    from attn_audit.public import (
        Comparison,
        Estimate,
        Explanation,
        Forecast,
        Paper,
        Report,
        ReportTable,
        Verdict,
        Verification,
        compare,
        judge,
        load_report,
        table,
    )
    from attn_audit.statistics.kendall import kendall_tau

__all__ = [
    "AttnAuditError",
    "Comparison",
    "CustomModel",
    "Estimate",
    "Example",
    "Explanation",
    "Forecast",
    "Paper",
    "Policy",
    "Report",
    "ReportTable",
    "Verdict",
    "Verification",
    "__version__",
    "audit",
    "compare",
    "explain",
    "judge",
    "kendall_tau",
    "load_policy",
    "load_report",
    "paper",
    "plan",
    "register_check",
    "register_format",
    "register_measure",
    "register_metric",
    "table",
    "verify",
    "wrap",
    "wrap_predict",
]

_NAMES = {
    "attn_audit.api": ("audit", "explain", "paper", "plan", "verify"),
    "attn_audit.checks.registry": ("register_check",),
    "attn_audit.data.example": ("Example",),
    "attn_audit.errors": ("AttnAuditError",),
    "attn_audit.findings.registry": ("register_metric",),
    "attn_audit.formats.registry": ("register_format",),
    "attn_audit.measures.registry": ("register_measure",),
    "attn_audit.models.custom.custom_model": ("CustomModel",),
    "attn_audit.models.huggingface.loading": ("wrap",),
    "attn_audit.models.black_box": ("wrap_predict",),
    "attn_audit.judgement.policy": ("load_policy", "Policy"),
    "attn_audit.public": (
        *("Comparison", "Estimate", "Explanation", "Forecast", "Paper", "Report"),
        *("ReportTable", "Verdict", "Verification", "compare", "judge", "load_report", "table"),
    ),
    "attn_audit.statistics.kendall": ("kendall_tau",),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # else any name would do

    def __getattr__(name: str) -> object:
        """Import the public names when they are first used: `attn-audit --help` needs no torch."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
