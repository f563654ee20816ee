"""Looking a number up in a report, and how many examples a check has numbers of."""

from math import isfinite

from attn_audit.findings.metric import Averaged, Statistic
from attn_audit.findings.registry import metrics
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


def coverage(check: str, report: Report) -> int | None:
    """Examples for which a check has all of its numbers.

    Of the correlation check these are the examples with every tau that was asked for: those with
    fewer than 5 units count, since only their significance is untestable.

    Args:
        check: Id of a check, or `performance`.
        report: Any report.

    Returns:
        The number of examples; None where the check has no result at all, which its bounds say,
        and for `performance`, which is no check.
    """
    covering = {m.name for m in metrics() if isinstance(m, Averaged) and m.is_coverage}
    counts = [
        summary.n
        for name, summary in report.metrics.items()
        if name in covering and name.startswith(f"{check}.") and summary.n is not None
    ]
    return min(counts, default=None)
