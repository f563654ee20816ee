"""Reports and policies for what is judged: a report with one number set, a policy from its text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attn_audit.policy.policy import Policy
from attn_audit.policy.reading import load_policy
from attn_audit.results.report import Report

PolicyOf = Callable[[str], Policy]

MOVED = "permutation.moved.share"
GAP = "correlation.gap.attention_gradient.mean"
YARDSTICK = "correlation.gradient_leave_one_out.mean"


def policy_from(folder: Path, text: str) -> Policy:
    """A policy as if it had been written to a file."""
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return load_policy(str(path))


def with_number(
    report: Report,
    name: str,
    estimate: float | None,
    interval: tuple[float, float] | None = None,
    n: int | None = None,
) -> Report:
    """The same report with another number, interval and count of examples at a metric's name."""
    content = report.model_dump()
    parent: dict[str, Any] = content if name.startswith("performance.") else content["checks"]
    *path, field = name.split(".")
    for part in path:
        parent = parent[part]
    parent[field] = estimate
    ends = None if interval is None else dict(zip(("low", "high"), interval, strict=True))
    for beside in ("interval", f"{field}_interval"):
        if beside in parent:
            parent[beside] = ends and {**ends, "method": "bootstrap"}
    if n is not None:
        parent["n"] = n
    return Report.model_validate(content)


def without(report: Report, *checks: str, was_run: bool = False) -> Report:
    """The same report without the results of some checks, which were run and raised, or not."""
    kept = tuple(check for check in report.settings.checks if check not in checks)
    settings = report.settings if was_run else report.settings.model_copy(update={"checks": kept})
    found = report.checks.model_copy(update=dict.fromkeys(checks))
    return report.model_copy(update={"settings": settings, "checks": found})
