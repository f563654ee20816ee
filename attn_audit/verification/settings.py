"""The settings of an audit, from its report: what it takes to compute the same numbers again."""

from pathlib import Path
from typing import Any

from attn_audit.config import validate
from attn_audit.data.locating import suffix_of
from attn_audit.errors import ConfigurationError
from attn_audit.results.report import Report
from attn_audit.settings import AuditSettings, names_where

_HUB = "HuggingFace"


def settings_of_report(report: Report, said: dict[str, Any]) -> AuditSettings:
    """The settings that the audit was run with, and what the user says again.

    Args:
        report: Any report.
        said: `model` and `data`; `adapter` and `trust_remote_code`, which name code to run and are
            never taken from a file; what concerns this machine.

    Raises:
        ConfigurationError: The report names code, and the user does not.
    """
    _require_code_again(report, said)
    stored = {name: getattr(report.settings, name) for name in names_where(is_stored=True)}
    stored |= {f"{role}_field": name for role, name in report.settings.fields.items()}
    stored |= {
        "head": "mean" if report.settings.head is None else report.settings.head,
        "limit": report.data.limit,
        "split": report.data.split or _split_named(report.data.name),
        "device": "cpu" if report.settings.device == "cpu" else "auto",
    }
    if report.model.format == _HUB:
        stored |= _of_loading(report)
    return validate(stored | said, said, None)


def _split_named(name: str) -> str:
    """The split that a file of a folder is: its name without what says its format."""
    suffix = suffix_of(Path(name)) or ""
    return name[: len(name) - len(suffix)]


def _of_loading(report: Report) -> dict[str, Any]:
    """What the report says of a HuggingFace model beside its settings."""
    found = report.model.findings
    return {
        "dtype": report.model.dtype,
        "task": "binary" if report.model.task == "binary" else None,
        "removal": None if found is None else found.removal,
    }


def _require_code_again(report: Report, said: dict[str, Any]) -> None:
    settings = report.settings
    if settings.adapter is not None and said.get("adapter") is None:
        raise ConfigurationError(
            f"the audit ran code of yours, --adapter {settings.adapter}: no file may name it",
            hint="If you trust it, give --adapter again.",
        )
    if settings.trust_remote_code and not said.get("trust_remote_code"):
        raise ConfigurationError(
            "the audit ran the Python code that comes with the model: no file may allow that",
            hint="If you trust it, give --trust-remote-code again.",
        )
