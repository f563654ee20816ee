"""What a metric is over, example by example, is what the report's own number is made of."""

from pathlib import Path

import numpy as np
import pytest

from attn_audit.compare.records import opened_records
from attn_audit.compare.values import PER_EXAMPLE, Examples
from attn_audit.models.task import TaskKind
from attn_audit.results.metrics import METRICS, find
from attn_audit.results.report import Report
from tests.compare.conftest import Audited


@pytest.mark.parametrize("name", sorted(PER_EXAMPLE))
def test_the_mean_over_examples_is_the_reports_number(new: Path, name: str) -> None:
    report = Report.load(new)
    found = find(METRICS[name], report)
    with opened_records(report, new) as table:
        values = Examples.of(table, report).values(name)
    known = values[~np.isnan(values)]
    assert len(values) == report.data.n_examples
    assert found.n == len(known)
    if found.estimate is not None:
        assert known.mean() == pytest.approx(found.estimate, abs=1e-12)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_several_labels_are_read_from_every_format(audited: Audited, suffix: str) -> None:
    path = audited(1.0, suffix, TaskKind.MULTILABEL, checks=("permutation",))
    report = Report.load(path)
    with opened_records(report, path) as table:
        examples = Examples.of(table, report)
        for name in (
            "performance.accuracy.share",
            "permutation.uniform.unchanged.share",
            "permutation.uniform.accuracy.share",
        ):
            values = examples.values(name)
            found = find(METRICS[name], report)
            assert np.nanmean(values) == pytest.approx(found.estimate, abs=1e-12)
            assert np.count_nonzero(~np.isnan(values)) == found.n


def test_every_mean_and_share_is_known_by_example_but_corrected_significance() -> None:
    """Benjamini-Hochberg is over all examples; the adversary's audited mass is permutation's."""
    unknown = {m.name for m in METRICS.values() if m.has_interval} - set(PER_EXAMPLE)
    expected = {name for name in METRICS if name.endswith("_after_correction.share")}
    of_all = {f"performance.{name}" for name in ("macro_f1", "micro_f1", "roc_auc")}
    assert unknown == expected | of_all | {"adversarial.audited_mass.mean"}
