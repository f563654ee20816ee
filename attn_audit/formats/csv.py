"""The summary as CSV: one line a metric, for spreadsheets and scripts."""

import csv
from collections.abc import Iterator
from io import StringIO

from pydantic import BaseModel

from attn_audit.formats.safety import cell
from attn_audit.results.comparison import Comparison
from attn_audit.results.report import Report
from attn_audit.results.summary import (
    Distribution,
    Group,
    Interval,
    Performance,
    Share,
    SiteSummary,
)
from attn_audit.results.verdict import Verdict

HEADER = ("metric", "value", "low", "high", "n")

Row = tuple[str, float | None, float | None, float | None, int | None]
"""Dotted name; estimate, empty where no example has one; its 95 % interval and the examples behind
it, where there are such."""


def render(report: Report, verdict: Verdict | None) -> str:
    """All numbers of the summary under their dotted names, the path to them in the JSON report.

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
    """The model's own quality, the checks, the sites, and how many examples say nothing.

    Args:
        report: Any report.
    """
    if report.performance is not None:
        yield from _of_value("performance", report.performance)
    yield from _of_value("n_units", report.n_units)
    for check in type(report.checks).model_fields:
        if (summary := getattr(report.checks, check)) is not None:
            yield from _of_value(check, summary)
    for site in report.sites:
        yield from _of_site(site)
    for entry in report.degenerate:
        yield f"degenerate.{entry.check}.{entry.status}", entry.n, None, None, None


def _of_value(name: str, value: object) -> Iterator[Row]:
    """Depth first, in the order of the fields."""
    match value:
        case Share():
            yield _estimate(f"{name}.share", value.share, value.interval, value.n)
        case Distribution():
            yield _estimate(f"{name}.mean", value.mean, value.interval, value.n)
            yield from _spread(name, value)
            yield from _of_fields(name, value, skipped=Distribution)
        case Performance():
            for row in _of_fields(name, value):
                interval = getattr(value, f"{row[0].removeprefix(f'{name}.')}_interval", None)
                yield row if interval is None else _estimate(*row[:2], interval, value.n)
        case Interval():  # stands beside its number
            pass
        case BaseModel():
            yield from _of_fields(name, value)
        case tuple():
            groups = [part for part in value if isinstance(part, Group)]
            for part in groups:
                spread = part.distribution
                yield _estimate(f"{name}.{part.name}.mean", spread.mean, spread.interval, spread.n)
        case int() | float() if not isinstance(value, bool):
            yield name, value, None, None, None
        case _:  # text, switches, and what was not measured: no metric
            pass


def _of_fields(name: str, value: BaseModel, skipped: type[BaseModel] = BaseModel) -> Iterator[Row]:
    for field in type(value).model_fields:
        if field not in skipped.model_fields:
            yield from _of_value(f"{name}.{field}", getattr(value, field))


def _spread(name: str, found: Distribution) -> Iterator[Row]:
    """How the examples are distributed; nothing without any."""
    quantiles = ((f"quantiles.{level}", value) for level, value in found.quantiles.items())
    named = (("sd", found.sd), ("minimum", found.minimum), *quantiles, ("maximum", found.maximum))
    for part, value in named:
        if value is not None:
            yield f"{name}.{part}", value, None, None, found.n


def _of_site(site: SiteSummary) -> Iterator[Row]:
    head = "" if site.head is None else f".head{site.head}"
    for field, found in site.means.items():
        name = f"sites.layer{site.layer}{head}.{field}.mean"
        yield _estimate(name, found.mean, found.interval, found.n)


def _estimate(name: str, value: float | None, interval: Interval | None, n: int) -> Row:
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
