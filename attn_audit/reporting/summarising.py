"""From the values of examples to what a report says of every metric."""

from collections.abc import Sequence

import numpy as np

from attn_audit.findings.metric import UNIT_EDGES, Averaged, MeanMetric, Metric, TotalMetric
from attn_audit.findings.registry import metrics
from attn_audit.reporting.grouping import Grouping, joint_histogram, share_of
from attn_audit.results.examples import Values
from attn_audit.summary import GroupedDistribution, Number, Share, Summary


def summarise(
    grouping: Grouping, checks: Sequence[str], measures: Sequence[str]
) -> dict[str, Summary]:
    """Every metric of what was measured, by name."""
    has_labels = bool(grouping.examples.is_labelled.any())
    found = {
        metric.name: _summary(metric, grouping)
        for metric in metrics()
        if metric.check in (*checks, "performance")
        and set(metric.measures) <= set(measures)
        and (has_labels or not metric.needs_labels)
    }
    return {name: summary for name, summary in found.items() if summary is not None}


def _summary(metric: Metric, grouping: Grouping) -> Summary | None:
    """None where the number is not defined, or left out because no example has it."""
    if isinstance(metric, TotalMetric):
        value, n, interval = metric.number(grouping.examples, grouping.resamples)
        return None if value is None else Number(value=value, n=n, interval=interval)
    assert isinstance(metric, Averaged)
    values = metric.of(grouping.examples)
    if metric.is_optional and np.isnan(values).all():
        return None
    if isinstance(metric, MeanMetric):
        return _distribution(metric, values, grouping)
    return _share(values)


def _share(values: Values) -> Share:
    counted = values[~np.isnan(values)]
    return share_of(int(counted.sum()), len(counted))


def _distribution(metric: MeanMetric, values: Values, grouping: Grouping) -> GroupedDistribution:
    groups = {
        f"by_{name}": grouping.groups(values, name, edges) for name, edges in metric.groups.items()
    }
    joint = None
    if metric.joint is not None and metric.edges is not None:
        other = grouping.examples.numbers(metric.joint)
        joint = joint_histogram(other, values, UNIT_EDGES, metric.edges)
    whole = grouping.distribution(values, metric.edges)
    return GroupedDistribution(**dict(whole), **groups, joint=joint)
