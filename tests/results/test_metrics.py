"""The registry and the report hold the same numbers."""

from collections.abc import Iterator
from typing import Any

import pytest

from attn_audit.results.metrics import METRICS, find
from attn_audit.results.report import Report
from tests.formats.conftest import multilabel, report, unlabelled

__all__ = ["multilabel", "report", "unlabelled"]

NO_METRICS = {"n", "count", "histogram", "interval", "is_multilabel", "jsd_by_max_attention"} | {
    f"{name}_interval" for name in ("macro_f1", "micro_f1", "roc_auc")
}
"""Counts that others are shares of, what says how sure a number is, and a joint distribution."""


def numbers(content: dict[str, Any], place: str) -> Iterator[str]:
    """The dotted names of all numbers, but those of groups of examples."""
    for field, value in content.items():
        if field in NO_METRICS or isinstance(value, list | tuple):
            continue
        name = f"{place}.{field}"
        if isinstance(value, dict):
            yield from numbers(value, name)
        else:
            yield name


def test_every_metric_stands_in_a_full_report_and_every_number_of_it_is_a_metric(
    multilabel: Report,
) -> None:
    content = multilabel.model_dump()
    everything = {**content["checks"], "performance": content["performance"]}
    found = {name for check, part in everything.items() for name in numbers(part, check)}
    assert found == set(METRICS)


def test_a_full_report_has_a_value_for_every_metric(multilabel: Report) -> None:
    for metric in METRICS.values():
        found = find(metric, multilabel)
        assert found.estimate is not None, metric.name
        assert metric.low <= found.estimate <= metric.high, metric.name
        assert (found.interval is not None) == metric.has_interval, metric.name


def test_finds_estimate_interval_and_examples(report: Report) -> None:
    assert report.checks.correlation is not None
    tau = report.checks.correlation.attention_gradient
    assert tau is not None
    assert find(METRICS["correlation.attention_gradient.mean"], report) == (
        tau.mean,
        tau.interval,
        tau.n,
    )


def test_finds_quantiles_whose_names_have_a_dot(report: Report) -> None:
    assert report.checks.permutation is not None
    median = report.checks.permutation.distance.quantiles["0.5"]
    found = find(METRICS["permutation.distance.quantiles.0.5"], report)
    assert found == (median, None, report.checks.permutation.distance.n)


@pytest.mark.parametrize("name", ["performance.accuracy.share", "performance.macro_f1"])
def test_finds_nothing_where_nothing_was_measured(unlabelled: Report, name: str) -> None:
    assert find(METRICS[name], unlabelled) == (None, None, None)


def test_every_definition_is_a_sentence() -> None:
    for metric in METRICS.values():
        assert metric.definition[0].isupper(), metric.name
        assert metric.definition.endswith("."), metric.name
