"""Looking a metric up in a report."""

from math import isfinite
from typing import NamedTuple

from attn_audit.results.metrics.metric import Metric
from attn_audit.results.report import Report
from attn_audit.results.summary import Distribution, Interval, Share

_QUANTILES = "quantiles."


class Found(NamedTuple):
    """A metric as a report gives it."""

    estimate: float | None
    """None: not measured."""
    interval: Interval | None
    n: int | None
    """Examples behind the estimate; None where it is not a number over examples."""


NOT_MEASURED = Found(None, None, None)


def find(metric: Metric, report: Report) -> Found:
    """What a report says of a metric.

    Args:
        metric: Of the registry.
        report: Any report.

    Returns:
        Estimate, interval and number of examples; all None where the report does not hold it.
    """
    place, field = _split(metric.name)
    parent: object = report if metric.check == "performance" else report.checks
    for part in place:
        parent = getattr(parent, part, None)
    n: int | None = getattr(parent, "n", None)
    estimate = (
        parent.quantiles.get(field.removeprefix(_QUANTILES))
        if isinstance(parent, Distribution) and field.startswith(_QUANTILES)
        else getattr(parent, field, None)
    )
    if estimate is None or not isfinite(estimate):
        return NOT_MEASURED._replace(n=n)
    return Found(float(estimate), _interval(parent, field) if metric.has_interval else None, n)


def _split(name: str) -> tuple[list[str], str]:
    """Where the number stands, and the field that holds it: a quantile's has a dot of its own."""
    place, is_quantile, quantile = name.partition(f".{_QUANTILES}")
    if is_quantile:
        return place.split("."), _QUANTILES + quantile
    *parts, field = name.split(".")
    return parts, field


def _interval(parent: object, field: str) -> Interval | None:
    """A distribution's and a share's is their own; of a number it stands beside it, by its name."""
    if isinstance(parent, Distribution | Share):
        return parent.interval
    interval = getattr(parent, f"{field}_interval", None)
    return interval if isinstance(interval, Interval) else None
