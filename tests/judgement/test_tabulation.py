"""Which reports are seeds of one model, and what stands of them in one table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
import torch

from attn_audit import audit, public, table
from attn_audit.errors import ReportsError
from attn_audit.findings.correlation_pairs import ATTENTION_GRADIENT, metrics_of
from attn_audit.findings.paper import columns
from attn_audit.findings.performance import ACCURACY
from attn_audit.findings.permutation import DISTANCE
from attn_audit.findings.registry import statistics
from attn_audit.formats import latex, terminal
from attn_audit.formats.documents.report_table import document
from attn_audit.judgement.tabulation import table_of, tabulate
from attn_audit.results.answers import ReportTable
from attn_audit.results.report import Report
from tests.models.custom.toys import TEXTS, Pooling, attend_plainly, custom_of

TAU = ATTENTION_GRADIENT.tau.name
TRAINING = {"encoder": "bilstm", "seed": 0, "epochs": 5, "best_epoch": 2, "hidden_size": 8}


@pytest.fixture(scope="module")
def report() -> Report:
    """A small report of the packaged model."""
    return audit("demo", "demo", limit=30, checks="correlation,permutation", permutations=5)


def trained(report: Report, weights: str, **training: Any) -> Report:
    """The same report, as if of other weights and another training."""
    told = {"sha256": weights, "training": {**TRAINING, **training}}
    return report.model_copy(update={"model": report.model.model_copy(update=told)})


def moved(report: Report, by: float) -> Report:
    """The same report with another mean tau."""
    tau = report.metrics[TAU]
    changed = {**report.metrics, TAU: tau.model_copy(update={"mean": by})}
    return report.model_copy(update={"metrics": changed})


def tabled(reports: Mapping[str, Report]) -> ReportTable:
    return table_of({Path(name): report for name, report in reports.items()})


def test_seeds_of_one_model_are_told_by_their_provenance(report: Report) -> None:
    table = tabled({
        "a": trained(report, "a", seed=1, best_epoch=4, dev_score=0.9),
        "b": trained(report, "b", seed=0),
        "c": trained(report, "c", epochs=9),
    })  # fmt: skip
    groups = [[(r.report, r.seed) for r in model.reports] for model in table.models]
    assert groups == [[("b", 0), ("a", 1)], [("c", 0)]]
    assert [m.name for m in table.models] == [
        "BiLSTM, additive, epochs 5", "BiLSTM, additive, epochs 9",
    ]  # fmt: skip
    assert all(model.is_told for model in table.models)


def test_models_that_tell_nothing_of_their_training_are_taken_together_and_said_so(
    report: Report,
) -> None:
    one, other = (trained(report, name) for name in "ab")
    silent = {
        name: each.model_copy(update={"model": each.model.model_copy(update={"training": {}})})
        for name, each in (("a", one), ("b", other))
    }
    (model,) = tabled(silent).models
    assert not model.is_told
    assert [r.seed for r in model.reports] == [None, None]


def test_a_module_of_ones_own_is_told_by_what_its_adapter_says_and_by_its_size(
    report: Report,
) -> None:
    def audited(weights: str, n_parameters: int, **training: Any) -> Report:
        told = {"format": "adapter", "n_parameters": n_parameters, "training": training}
        model = report.model.model_copy(update={"sha256": weights, **told})
        return report.model_copy(update={"model": model})

    table = tabled({
        "a": audited("a", 10, seed=1), "b": audited("b", 10, seed=2), "c": audited("c", 20, seed=1),
        "d": audited("d", 10, seed=1, dropout=0.3),
    })  # fmt: skip
    groups = [[(r.report, r.seed) for r in model.reports] for model in table.models]
    assert groups == [[("a", 1), ("b", 2)], [("c", 1)], [("d", 1)]]
    assert all(model.is_told for model in table.models)


def test_mean_and_standard_deviation_are_over_the_seeds(report: Report) -> None:
    taus = (0.1, 0.4, 0.6)
    reports = {f"r{i}": moved(trained(report, f"w{i}", seed=i), tau) for i, tau in enumerate(taus)}
    (model,) = tabled(reports).models
    found = model.numbers[0].values[TAU]
    assert found.n == 3
    assert found.mean == pytest.approx(fmean(taus))
    assert found.sd == pytest.approx(stdev(taus))
    assert model.numbers[0].values[ACCURACY.name].sd == 0.0


def test_small_distances_have_digits_that_tell_them_apart(report: Report) -> None:
    def distant(mean: float, seed: int) -> Report:
        name = DISTANCE.name
        found = report.metrics[name].model_copy(update={"mean": mean, "median": 10 * mean})
        moved = report.model_copy(update={"metrics": {**report.metrics, name: found}})
        return trained(moved, f"w{seed}", seed=seed)

    shown = latex.render(document(tabled({"a": distant(0.0108, 1), "b": distant(0.0130, 2)})))
    assert r"0.0119 $\pm$ 0.0016 & 0.12 $\pm$ 0.02" in shown


def test_a_single_report_has_no_deviation(report: Report) -> None:
    (model,) = tabled({"a": report}).models
    assert {value.sd for value in model.numbers[0].values.values()} == {None}


def test_columns_are_numbers_of_the_one_table_of_metrics() -> None:
    known = statistics()
    assert {column.name for column in columns()} <= known.keys()
    assert all(known[c.name].metric is c.statistic.metric for c in columns())


def test_classes_have_what_the_report_has_of_them(report: Report) -> None:
    (model,) = tabled({"a": report}).models
    of = metrics_of(ATTENTION_GRADIENT)
    shares = {part.name: part.share for part in report[of.significant].by_prediction}
    groups = {group.name: group.distribution for group in report[of.tau].by_prediction}
    assert len(groups) == 2
    for numbers in model.reports[0].numbers[1:]:
        name = str(numbers.predicted)
        assert numbers.n_tau == groups[name].n
        assert numbers.values[TAU] == groups[name].mean
        assert numbers.values[f"{TAU}.sd"] == groups[name].sd
        assert numbers.values[of.significant.name] == shares[name]


def test_what_a_report_lacks_is_said_with_the_reason(report: Report) -> None:
    alone = audit("demo", "demo", limit=30, checks="correlation", measures="gradient")
    table = tabled({"r1.json": trained(report, "a"), "r2.json": trained(alone, "b")})
    assert table.missing == (
        "The measure leave_one_out was not asked for in r2.json.",
        "The permutation check was not run in r2.json.",
    )
    assert [model.name for model in table.models] == [
        "BiLSTM, additive, permutations 5, checks correlation, permutation, measures not set",
        "BiLSTM, additive, permutations 100, checks correlation, measures gradient",
    ]


def test_other_data_stands_apart(report: Report) -> None:
    moved_to = {"sha256": "0" * 64, "name": "other.jsonl", "source": "films"}
    other = report.model_copy(update={"data": report.data.model_copy(update=moved_to)})
    table = tabled({"a": trained(report, "a"), "b": trained(other, "b", seed=1)})
    assert [model.data for model in table.models] == ["demo/texts.jsonl", "films/other.jsonl"]


def test_all_files_that_cannot_be_tabled_are_named_at_once(report: Report, tmp_path: Path) -> None:
    good, again, seed = (tmp_path / name for name in ("good.json", "again.json", "seed.json"))
    good.write_text(report.to_json())
    again.write_text(report.to_json())
    seed.write_text(trained(report, "other", seed=1).to_json())
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(ReportsError) as raised:
        tabulate([good, tmp_path / "none.json", broken, again, good, seed])
    assert raised.value.message == "4 of 6 reports cannot be tabled"
    assert [name for line in raised.value.details for name in
            ("none.json", "broken.json", "again.json: ", "good.json: named twice")
            if name in line] == [
        "none.json", "broken.json", "again.json: ", "good.json: named twice",
    ]  # fmt: skip
    assert len(tabulate([good, seed]).models) == 2


def in_memory(weight: float, texts: Sequence[str] = TEXTS) -> public.Report:
    """An audit of a module of one's own that is in memory, on texts that are."""
    module = Pooling(attend_plainly)
    with torch.no_grad():
        module.embedding.weight.mul_(weight)
    return audit(custom_of(module), texts, checks="correlation")


def test_the_same_weights_in_memory_count_once_on_the_same_data() -> None:
    first, again, other = in_memory(1.0), in_memory(1.0), in_memory(1.1)
    with pytest.raises(ReportsError, match="1 of 2 reports cannot be tabled") as raised:
        table(first, again)
    assert "an audit of the same weights on the same data" in raised.value.details[0]
    (model,) = table(first, other).models
    assert len({report.model_sha256 for report in model.reports}) == 2
    assert len(table(first, in_memory(1.0, TEXTS[:2])).models) == 2


@pytest.mark.parametrize(
    ("seeds", "over", "said"),
    [
        ((1, 2), "over seeds", "another training seed and other weights."),
        ((1, 1), "over reports", "Not each report tells a training seed of its own of"),
        ((1, None), "over reports", "Not each report tells a training seed of its own of"),
    ],
)
def test_equal_or_untold_seeds_are_not_called_seeds(
    report: Report, seeds: Sequence[int | None], over: str, said: str
) -> None:
    found = tabled({f"r{i}": trained(report, f"w{i}", seed=seed) for i, seed in enumerate(seeds)})
    shown = " ".join(terminal.render(document(found)).split())
    assert f"standard deviation {over}" in shown
    assert said in shown


def test_what_one_of_two_lacks_is_said(report: Report) -> None:
    def audited(weights: str, **details: str) -> Report:
        told = {"sha256": weights, "format": "adapter", "details": details, "training": {"seed": 1}}
        return report.model_copy(update={"model": report.model.model_copy(update=told)})

    found = tabled({"a": audited("a"), "b": audited("b", adapter="mine.py:load")})
    assert [model.name for model in found.models] == [
        "BiLSTM, additive, no adapter", "BiLSTM, additive, adapter mine.py:load",
    ]  # fmt: skip
