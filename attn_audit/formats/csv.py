"""The summary as CSV: one line a metric, for spreadsheets and scripts."""

import csv
from collections.abc import Iterator
from io import StringIO

from attn_audit.findings.metric import BESIDE_MEAN
from attn_audit.quoting import cell
from attn_audit.results.report import Report
from attn_audit.results.verdict import Comparison, Verdict
from attn_audit.statistics.estimate import Interval
from attn_audit.statistics.summary import (
    Distribution,
    Group,
    GroupedDistribution,
    SiteSummary,
    Summary,
)

GROUPINGS = ("by_max_attention", "by_prediction", "by_length")

HEADER = ("metric", "value", "low", "high", "n")

Row = tuple[str, float | int | None, float | None, float | None, int | None]
"""Dotted name; estimate, empty where no example has one; its 95 % interval and the examples behind
it, where there are such."""


def render(report: Report, verdict: Verdict | None) -> str:
    """All numbers of the report under the names that policies have them by.

    Args:
        report: Any report; a check that was not run has no lines.
        verdict: Not written: these are the numbers, whatever is asked of them.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for name, *values in rows(report):
        writer.writerow([cell(name), *values])
    return text.getvalue()


def rows(report: Report) -> Iterator[Row]:
    """The model's own quality, the checks, the sites, and how many examples say nothing."""
    yield from _of_summary("n_units", report.n_units)
    for name, summary in report.metrics.items():
        yield from _of_summary(name, summary)
    for site in report.sites:
        yield from _of_site(site)
    for entry in report.degenerate:
        yield f"degenerate.{entry.check}.{entry.status}", entry.n, None, None, None


def _of_summary(name: str, found: Distribution | Summary) -> Iterator[Row]:
    """The number itself, how it is spread over the examples, and its mean within groups of them."""
    yield _estimate(name, found.estimate, found.interval, found.n)
    for part in BESIDE_MEAN if isinstance(found, Distribution) else ():
        value: float | None = getattr(found, part)
        if value is not None:
            yield f"{name}.{part}", value, None, None, found.n
    for grouping in GROUPINGS if isinstance(found, GroupedDistribution) else ():
        groups: tuple[Group, ...] = getattr(found, grouping)
        for group in groups:
            inside = group.distribution
            row = f"{name}.{grouping}.{group.name}"
            yield _estimate(row, inside.mean, inside.interval, inside.n)


def _of_site(site: SiteSummary) -> Iterator[Row]:
    head = "" if site.head is None else f".head{site.head}"
    for field, found in site.means.items():
        name = f"sites.layer{site.layer}{head}.{field}"
        yield _estimate(name, found.mean, found.interval, found.n)


def _estimate(
    name: str, value: float | int | None, interval: Interval | None, n: int | None
) -> Row:
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return name, value, low, high, n


def changes(comparison: Comparison) -> str:
    """A comparison, one line a metric; without interval, effect size or count these are empty."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("metric", "base", "new", "difference", "low", "high", "effect_size", "n"))
    for change in comparison.changes:
        interval = change.interval
        ends = (None, None) if interval is None else (interval.low, interval.high)
        values = (change.base, change.new, change.difference, *ends, change.effect_size, change.n)
        writer.writerow([cell(change.metric), *values])
    return text.getvalue()
