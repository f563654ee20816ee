"""What a metric's function gives of each example is what the report's number is made of."""

import re
from pathlib import Path

import numpy as np
import pytest

from attn_audit.findings import performance, permutation
from attn_audit.findings.metric import ExampleMetric, Statistic
from attn_audit.findings.registry import all_fields, checks, metrics, renamed, statistics
from attn_audit.models.task import TaskKind
from attn_audit.results.report import Report
from attn_audit.results.stored_records import open_records
from tests.conftest import REPOSITORY
from tests.formats.conftest import multilabel, report, unlabelled
from tests.releases import Audited, audited

__all__ = ["audited", "multilabel", "report", "unlabelled"]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_several_labels_are_read_from_every_format(audited: Audited, suffix: str) -> None:
    path = audited(1.0, suffix, TaskKind.MULTILABEL, checks=("permutation",))
    report = Report.load(path)
    with open_records(report, path).columns() as examples:
        of = permutation.UNIFORM_UNCHANGED, permutation.UNIFORM_ACCURACY, performance.ACCURACY
        for metric in of:
            values = metric.of(examples)
            assert np.nanmean(values) == pytest.approx(report[metric].share, abs=1e-12)
            assert np.count_nonzero(~np.isnan(values)) == report[metric].n


def test_a_full_report_has_every_number_within_its_range(multilabel: Report) -> None:
    run = {found.check for found in checks() if found.is_default} | {"data", "performance"}
    read = set(multilabel.settings.correlated)
    asked = {m.name for m in metrics() if m.check in run and read.issuperset(m.measures)}
    assert set(multilabel.metrics) == asked
    for statistic in (s for s in statistics().values() if s.metric.name in asked):
        found = multilabel.estimate_of(statistic)
        assert found.value is not None, statistic.name
        assert statistic.low <= found.value <= statistic.high, statistic.name
        assert (found.interval is not None) == statistic.has_interval, statistic.name


def test_a_spread_has_a_name_by_suffix(report: Report) -> None:
    distance = report[permutation.DISTANCE]
    found = report.estimate_of(statistics()["permutation.distance.median"])
    assert found == (distance.median, distance.n, None)
    found = report.estimate_of(statistics()["permutation.distance"])
    assert found == (distance.mean, distance.n, distance.interval)


@pytest.mark.parametrize("metric", [performance.ACCURACY, performance.MACRO_F1])
def test_finds_nothing_where_nothing_was_measured(
    unlabelled: Report, metric: performance.Metric
) -> None:
    assert unlabelled.estimate_of(Statistic(metric)) == (None, None, None)


def test_every_definition_is_a_sentence() -> None:
    defined = [(statistic.name, statistic.definition) for statistic in statistics().values()]
    defined += [(field.name, f"{field.definition}.") for field in all_fields()]
    for name, definition in defined:
        assert definition[0].isupper(), name
        assert definition.endswith("."), name
        assert not definition.endswith(".."), name


def test_what_is_over_all_examples_at_once_is_not_of_examples() -> None:
    """Benjamini-Hochberg looks at the p-values of all."""
    of_all = {m.name for m in metrics() if isinstance(m, ExampleMetric) and not m.is_of_examples}
    assert of_all == {m.name for m in metrics() if m.name.endswith("_after_correction")}


def test_what_has_one_name_has_one_meaning() -> None:
    """A field and a metric of the same name are a number and its mean."""
    fields = {field.name: field for field in all_fields()}
    for metric in metrics():
        if metric.name in fields:
            assert isinstance(metric, ExampleMetric)
            assert metric.values is fields[metric.name]
            assert metric.range == fields[metric.name].range


def test_documents_name_no_number_that_does_not_exist() -> None:
    known = {*statistics(), *(field.name for field in all_fields())}
    checks = "correlation|attended|permutation|adversarial|performance"
    name = re.compile(rf"\b(?:{checks})\.[a-z_0-9]+(?:\.[a-z_0-9]+)*\b")
    suffixes = (".py", ".toml", ".md")
    paths: list[Path] = [REPOSITORY / "README.md"]
    paths += [p for p in (REPOSITORY / "sample_configs").rglob("*") if p.suffix in suffixes]
    paths += (REPOSITORY / "docs").rglob("*.md")
    paths += [REPOSITORY / "attn_audit" / "judgement" / "rules.toml"]
    named = {found for path in paths for found in name.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 5
    assert named <= known
    assert not named & set(renamed())
