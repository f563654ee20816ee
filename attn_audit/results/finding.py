"""Looking a number up in a report."""

from math import isfinite
from typing import NamedTuple

from attn_audit.findings.metric import Statistic
from attn_audit.results.report import Report
from attn_audit.summary import Interval


class Found(NamedTuple):
    """A number as a report gives it."""

    estimate: float | None
    """None: not measured."""
    interval: Interval | None
    n: int | None
    """Examples behind the estimate; None where it is not a number over examples."""


NOT_MEASURED = Found(None, None, None)


def find(statistic: Statistic, report: Report) -> Found:
    """What a report says of a number.

    Returns:
        Estimate, interval and number of examples; all None where the report does not hold it.
    """
    summary = report.metrics.get(statistic.metric.name)
    if summary is None:
        return NOT_MEASURED
    estimate: float | None = getattr(summary, statistic.suffix or "estimate")
    if estimate is None or not isfinite(estimate):
        return NOT_MEASURED._replace(n=summary.n)
    return Found(float(estimate), summary.interval if statistic.has_interval else None, summary.n)
