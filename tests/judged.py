"""Reports and policies for what is judged: a report with one number set, a policy from its text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attn_audit.findings.metric import ExampleMetric, Metric
from attn_audit.findings.registry import metrics, statistics
from attn_audit.judgement.comparison import compare_reports
from attn_audit.judgement.policy import Policy, load_policy
from attn_audit.results.report import Report
from attn_audit.results.verdict import Comparison
from attn_audit.statistics.summary import Interval, Number, Share

PolicyOf = Callable[[str], Policy]

MOVED = "permutation.moved"
GAP = "correlation.gap.attention_gradient"
YARDSTICK = "correlation.gradient_leave_one_out"

RULES = {
    "reach": "permutation.within_reach",
    "unattended": "attended.unattended_decide",
    "order": "correlation.attention_margin",
    "small": "attended.top_effect_small",
    "half": "permutation.half_margin",
    "polarity": "attended.polarity",
    "works": "performance.roc_auc",
}
"""What the packaged rules ask about, in short."""

FULFILLED = {
    "reach": (0.9, 0.95),
    "unattended": (0.01, 0.02),
    "order": (0.5, 0.6),
    "small": (0.1, 0.2),
    "half": (0.5, 0.6),
    "polarity": (0.05, 0.15),
    "works": (0.8, 0.9),
}
"""Intervals that fulfil all of them."""


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
    statistic = statistics()[name]
    summary = report.metrics[statistic.metric.name]
    if estimate is None and isinstance(summary, Number):
        return without_metric(report, statistic.metric)
    field = statistic.suffix or {Share: "share", Number: "value"}.get(type(summary), "mean")
    change: dict[str, object] = {field: estimate, "interval": None}
    if interval is not None:
        change["interval"] = Interval(low=interval[0], high=interval[1], method="bootstrap")
    return with_metric(report, statistic.metric, **change, **({} if n is None else {"n": n}))


def with_numbers(report: Report, **numbers: tuple[float, float]) -> Report:
    """The same report with these intervals by rule, each with its middle as the number."""
    for rule, (low, high) in numbers.items():
        report = with_number(report, RULES[rule], (low + high) / 2, (low, high), n=2000)
    return report


def may_be_shown(report: Report, **others: tuple[float, float]) -> Report:
    """The same report, of 2,000 examples, with numbers that fulfil every rule, but for some."""
    data = report.data.model_copy(update={"n_examples": 2000})
    whole = report.model_copy(update={"data": data, "unattended_units": ()})
    for metric in metrics():
        if (
            isinstance(metric, ExampleMetric)
            and metric.is_coverage
            and metric.name in report.metrics
        ):
            whole = with_metric(whole, metric, n=2000)
    return with_numbers(whole, **{**FULFILLED, **others})


def with_metric(report: Report, metric: Metric, **change: object) -> Report:
    """The same report with something else in what it holds of a metric."""
    summary = report.metrics[metric.name].model_copy(update=change)
    return report.model_copy(update={"metrics": {**report.metrics, metric.name: summary}})


def without_metric(report: Report, *metrics: Metric) -> Report:
    """The same report without some metrics."""
    left_out = {metric.name for metric in metrics}
    kept = {name: found for name, found in report.metrics.items() if name not in left_out}
    return report.model_copy(update={"metrics": kept})


def without(report: Report, *checks: str, was_run: bool = False) -> Report:
    """The same report without the results of some checks, which were run and raised, or not."""
    kept = tuple(check for check in report.settings.checks if check not in checks)
    settings = report.settings if was_run else report.settings.model_copy(update={"checks": kept})
    found = {n: of for n, of in report.metrics.items() if n.partition(".")[0] not in checks}
    return report.model_copy(update={"settings": settings, "metrics": found})


def compare(base: Path, new: Path, policy: Policy | None = None, **said: Any) -> Comparison:
    """Two reports that were written."""
    return compare_reports((Report.load(base), Report.load(new)), (base, new), policy, **said)
