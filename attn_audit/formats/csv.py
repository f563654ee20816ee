"""The summary as CSV: one line a metric, for spreadsheets and scripts."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

from attn_audit.findings.metric import BESIDE_MEAN, GROUPINGS
from attn_audit.quoting import cell
from attn_audit.results.answers import ReportTable
from attn_audit.results.report import Report
from attn_audit.results.verdict import Change, Comparison
from attn_audit.statistics.summary import (
    Distribution,
    Group,
    Interval,
    ShareWithin,
    SiteSummary,
    Summary,
)

Row = tuple[str, float | int | None, float | None, float | None, int | None]
"""Dotted name; estimate, empty where no example has one; its 95 % interval and the examples behind
it, where there are such."""


def render(result: Report | Comparison | ReportTable) -> str:
    """All numbers of it; those of a report and a change under the names that policies use."""
    match result:
        case Report():
            return _table(("metric", "value", "low", "high", "n"), rows(result))
        case Comparison():
            header = ("metric", "base", "new", "difference", "low", "high", "effect_size", "n")
            return _table(header, map(_change, result.changes))
        case ReportTable():
            return _tabled(result)


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(name), *values] for name, *values in rows)
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
    for grouping in GROUPINGS:
        groups: tuple[Group | ShareWithin, ...] = getattr(found, f"by_{grouping}", ())
        for group in groups:
            inside = group.distribution if isinstance(group, Group) else group
            row = f"{name}.by_{grouping}.{group.name}"
            yield _estimate(row, inside.estimate, inside.interval, inside.n)


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


def _tabled(table: ReportTable) -> str:
    """A line for each report, and for each model mean and standard deviation over its seeds.

    Of all examples, and of each predicted class; cells are empty where there is no such number.
    """
    names = list(table.columns)
    header = ("data", "model", "line", "seed", "report", "predicted", *names)
    lines: list[Sequence[Any]] = []
    for model in table.models:
        where = model.data, cell(model.name)
        for report in model.reports:
            for of in report.numbers:
                what = "report", report.seed, cell(report.report), cell(of.predicted or "")
                lines.append((*where, *what, *(of.values.get(name) for name in names)))
        for part in ("mean", "sd"):
            for over in model.numbers:
                values = (getattr(over.values.get(name), part, None) for name in names)
                lines.append((*where, part, None, None, cell(over.predicted or ""), *values))
    return _table(header, lines)


def _change(found: Change) -> tuple[str | float | int | None, ...]:
    """Without interval, effect size or count these are empty."""
    name, difference, low, high, n = _estimate(
        found.metric, found.difference, found.interval, found.n
    )
    return name, found.base, found.new, difference, low, high, found.effect_size, n
