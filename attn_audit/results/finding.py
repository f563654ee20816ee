"""Looking a number up in a report."""

from math import isfinite

from attn_audit.findings.metric import Statistic
from attn_audit.results.report import Report
from attn_audit.statistics.estimate import NOT_MEASURED, Estimate


def find(statistic: Statistic, report: Report) -> Estimate:
    """What a report says of a number.

    Returns:
        All of it None where the report does not hold it.
    """
    summary = report.metrics.get(statistic.metric.name)
    if summary is None:
        return NOT_MEASURED
    estimate: float | None = getattr(summary, statistic.suffix or "estimate")
    if estimate is None or not isfinite(estimate):
        return NOT_MEASURED._replace(n=summary.n)
    interval = summary.interval if statistic.has_interval else None
    return Estimate(float(estimate), summary.n, interval)
