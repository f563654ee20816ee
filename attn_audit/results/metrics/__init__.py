"""Every number of a report that a policy may bound, by its dotted name."""

from attn_audit.results.metrics.finding import NOT_MEASURED, Found, find
from attn_audit.results.metrics.metric import Metric
from attn_audit.results.metrics.registry import METRICS, STATISTICS

__all__ = ["METRICS", "NOT_MEASURED", "STATISTICS", "Found", "Metric", "find"]
