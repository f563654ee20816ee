"""The use case from end to end: what does not matter, does not; and the reference results."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import attn_audit
from attn_audit.data.example import Example
from attn_audit.engine.in_process import Plan
from attn_audit.errors import ConfigurationError, InvalidOutputError, OutputError, UsageError
from attn_audit.findings import adversarial, performance, permutation
from attn_audit.findings.registry import all_fields
from attn_audit.models.task import TaskKind
from attn_audit.results.report import Report
from attn_audit.settings import AuditSettings
from tests.tiny import tiny_examples, tiny_model

NUMBERS = (
    "audited_mass",
    "max_attention",
    "permutation.distance",
    "permutation.jsd",
    "permutation.uniform.distance",
    "adversarial.max_jsd",
    "adversarial.relative_jsd",
    "adversarial.distance",
)
LISTS = ("attention", "gradient", "leave_one_out")
TAUS = (
    "correlation.attention_gradient",
    "correlation.attention_leave_one_out",
    "correlation.gradient_leave_one_out",
)

EXAMPLES = tiny_examples(20)

Records = dict[str, dict[str, Any]]


def audit(tmp_path: Path, examples: Iterable[Example], **settings: Any) -> tuple[Report, Records]:
    """Audit a tiny model; the records by example id."""
    path = tmp_path / "records.jsonl"
    report = attn_audit.audit(tiny_model(), examples, records=path, reproducible=True, **settings)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return report, {row["id"]: row for row in rows}


def require_same(found: Records, expected: Records) -> None:
    """Records within 1e-4, single taus within a step."""
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        other = found[key]
        for name in NUMBERS:
            assert other[name] == pytest.approx(row[name], abs=1e-4), (key, name)
        for name in LISTS:
            assert np.allclose(other[name], row[name], atol=1e-4), (key, name)
        step = 4 / max(1, row["n_units"] * (row["n_units"] - 1)) + 1e-9
        for name in TAUS:
            if row[name] is None or other[name] is None:
                assert row[name] == other[name]
            else:
                assert abs(row[name] - other[name]) <= step
        assert other["prediction"] == row["prediction"]
        assert other["correlation.status"] == row["correlation.status"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Records]:
    """What all that does not matter is held against."""
    return audit(tmp_path_factory.mktemp("undisturbed"), EXAMPLES)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_batch_size_does_not_matter(
    undisturbed: tuple[Report, Records], tmp_path: Path, batch_size: int
) -> None:
    _, found = audit(tmp_path, EXAMPLES, batch_size=batch_size)
    require_same(found, undisturbed[1])


def test_order_does_not_matter(undisturbed: tuple[Report, Records], tmp_path: Path) -> None:
    report, expected = undisturbed
    other, found = audit(tmp_path, random.Random(1).sample(EXAMPLES, len(EXAMPLES)))
    require_same(found, expected)
    expected_mean = report[adversarial.MAX_JSD].mean
    assert other[adversarial.MAX_JSD].mean == pytest.approx(expected_mean, abs=1e-4)


def test_number_of_threads_does_not_matter(
    undisturbed: tuple[Report, Records], tmp_path: Path
) -> None:
    _, found = audit(tmp_path, EXAMPLES[:10], threads=2)
    require_same(found, {id_: undisturbed[1][id_] for id_ in found})


def test_shards_do_not_matter(
    undisturbed: tuple[Report, Records], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = undisturbed[1]
    monkeypatch.setattr(Plan, "shard_size", 7)
    other, found = audit(tmp_path, EXAMPLES)
    require_same(found, expected)
    assert list(found) == list(expected)
    assert other.data.n_examples == len(EXAMPLES)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_the_same_plan_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    path, found = tmp_path / f"records{suffix}", set()
    for _ in range(2):
        report = attn_audit.audit(tiny_model(), EXAMPLES[:9], records=path, reproducible=True)
        found.add((report.to_json(), path.read_bytes()))
    assert len(found) == 1


def test_the_seed_changes_the_draws(tmp_path: Path) -> None:
    examples = tiny_examples(5, lengths=(6, 12))
    first, second = (audit(tmp_path, examples, seed=seed)[1] for seed in (0, 1))
    name = "permutation.distance"
    assert [r[name] for r in first.values()] != [r[name] for r in second.values()]
    assert [r["adversarial.max_jsd"] for r in first.values()] == [
        r["adversarial.max_jsd"] for r in second.values()
    ]


def test_a_sample_is_the_same_in_any_order(tmp_path: Path) -> None:
    _, sample = audit(tmp_path, EXAMPLES, limit=10)
    _, other = audit(tmp_path, EXAMPLES[::-1], limit=10)
    assert len(sample) == 10
    assert sample.keys() == other.keys()
    assert list(sample) != [e.id for e in EXAMPLES[:10]]


def test_report_and_records_agree(undisturbed: tuple[Report, Records]) -> None:
    report, records = undisturbed
    distances = [r["permutation.distance"] for r in records.values()]
    defined = [d for d in distances if d is not None]
    found = report[permutation.DISTANCE]
    assert found.n == len(defined)
    assert found.mean == pytest.approx(np.mean(defined))
    single = sum(r["n_units"] == 1 for r in records.values())
    counted = {(d.check, d.status): d.n for d in report.degenerate}
    assert counted.get(("permutation", "untestable_single_unit"), 0) == single


def test_unlabelled_data_has_no_performance_but_the_margin(tmp_path: Path) -> None:
    report, _ = audit(tmp_path, tiny_examples(10))
    found = [name for name in report.metrics if name.startswith("performance.")]
    assert found == [performance.MARGIN.name]
    assert report.data.n_labelled == 0
    assert report.get(permutation.UNIFORM_ACCURACY) is None


def test_labelled_data_has_one() -> None:
    examples = [
        Example(id=e.id, text=e.text, labels=("label0" if i % 3 else "label1",))
        for i, e in enumerate(tiny_examples(30))
    ]
    report = attn_audit.audit(tiny_model(), examples, checks=["permutation"])
    assert report[performance.ACCURACY].n == 30
    assert report[performance.MAJORITY_SHARE].value == pytest.approx(20 / 30)
    assert report.get(permutation.UNIFORM_ACCURACY_CHANGE) is not None
    assert report.run is not None


@pytest.mark.parametrize(
    ("kind", "n_labels", "is_pair", "suffix"),
    [
        (TaskKind.BINARY, 2, False, ".parquet"),
        (TaskKind.MULTICLASS, 3, False, ".parquet"),
        (TaskKind.MULTILABEL, 3, False, ".parquet"),
        (TaskKind.MULTILABEL, 3, False, ".csv"),
        (TaskKind.CANDIDATES, 4, True, ".parquet"),
        (TaskKind.CANDIDATES, 4, True, ".jsonl"),
    ],
)
def test_every_task_is_audited_and_recorded(
    tmp_path: Path, kind: TaskKind, n_labels: int, is_pair: bool, suffix: str
) -> None:
    model = tiny_model(kind=kind, n_labels=n_labels, is_pair=is_pair)
    examples = tiny_examples(12, is_pair=is_pair)
    path = tmp_path / f"records{suffix}"
    report = attn_audit.audit(model, examples, records=path, iterations=20)
    assert report.data.n_examples == 12
    assert report.settings.epsilon == (0.05 if is_pair else 0.01)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    if suffix == ".parquet":
        assert pq.read_table(path).num_rows == 12
    (tmp_path / "report.json").write_text(report.to_json(), encoding="utf-8")
    assert Report.load(tmp_path / "report.json") == report


def test_an_output_that_is_no_number_stops_the_audit_and_names_the_example() -> None:
    model = tiny_model()
    model.network.readout.output.bias.fill_(float("nan"))
    with pytest.raises(InvalidOutputError, match="example 'example-"):
        attn_audit.audit(model, tiny_examples(3))


def test_nothing_is_left_of_an_audit_that_failed(tmp_path: Path) -> None:
    model = tiny_model()
    model.network.readout.output.bias.fill_(float("nan"))
    with pytest.raises(InvalidOutputError):
        attn_audit.audit(model, tiny_examples(3), records=tmp_path / "records.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"checks": ["premutation"]}, "checks: .*not 'premutation'"),
        ({"epsilon": 2}, "^epsilon"),
        ({"epsilom": 2}, "^epsilom: no such option"),
        ({"limit": 0}, "^limit"),
        ({"method": "fast"}, "^method: .*not 'fast'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        attn_audit.audit(tiny_model(), tiny_examples(2), **settings)


def test_settings_have_the_defaults_of_the_paper() -> None:
    settings = AuditSettings()
    assert (settings.permutations, settings.iterations, settings.restarts) == (100, 500, 5)


def test_texts_of_every_length_are_audited(tmp_path: Path) -> None:
    long = " ".join(random.Random(0).choices([f"w{i}" for i in range(4, 44)], k=600))
    texts = ["w5", "w5 w6", "w5 w6 w7 w8", "never seen before", long]
    examples = [Example(id=str(i), text=text) for i, text in enumerate(texts)]
    _, records = audit(tmp_path, examples)
    assert [r["n_units"] for r in records.values()] == [1, 2, 4, 3, 600]
    assert records["4"]["correlation.status"] == "measured"


def test_reproduces_the_reference_results_on_sst(shared: Path, tmp_path: Path) -> None:
    folder, n_texts = shared / "reference" / "sst" / "bilstm_tanh", 600
    path = tmp_path / "records.parquet"
    data = (shared / "data" / "sst_paper" / "test.jsonl").read_text().splitlines()
    texts = [json.loads(line) for line in data[:n_texts]]
    attn_audit.audit(folder, texts, records=path, epsilon=0.05, threads=1)
    table = pq.read_table(path).to_pylist()
    every = map(json.loads, (folder / "expected.jsonl").read_text().splitlines())
    expected = [row for row in every if row["row"] < n_texts]
    found = [table[row["row"]] for row in expected]
    assert len(expected) == 574

    def column(rows: list[dict[str, Any]], name: str) -> np.ndarray:
        return np.array([np.nan if r[name] is None else r[name] for r in rows], dtype=float)

    probability = np.abs(column(found, "probability") - column(expected, "probability"))
    assert probability.max() < 1e-4
    named = {field.name: field.formerly for field in all_fields()}  # of the stored results
    for name in TAUS:
        difference = column(found, name) - column(expected, named[name])
        assert np.nanmean(np.abs(difference)) <= 0.005
        assert abs(np.nanmean(difference)) <= 0.001
        assert np.isnan(difference).sum() <= 1  # one constant side that float64 still orders
    name = "permutation.distance"
    assert abs(column(found, name).mean() - column(expected, named[name]).mean()) <= 0.005
    gain = column(found, "adversarial.max_jsd") - column(expected, "adversarial_max_jsd")
    assert gain.min() >= -1e-6


@pytest.mark.parametrize("name", ["output", "format", "policy"])
def test_settings_of_the_command_line_alone_are_refused(name: str) -> None:
    settings: dict[str, Any] = {name: "json"}
    with pytest.raises(ConfigurationError, match=f"{name}: no such option"):
        attn_audit.audit(tiny_model(), tiny_examples(1), **settings)


def test_records_never_replace_the_data(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text('{"text": "w5 w6"}\n')
    with pytest.raises(OutputError, match="read by this command"):
        attn_audit.audit(tiny_model(), data, records=data)
    assert data.read_text() == '{"text": "w5 w6"}\n'


def test_an_infinite_logit_is_no_output() -> None:
    model = tiny_model()
    model.network.readout.output.bias.fill_(-float("inf"))
    with pytest.raises(InvalidOutputError, match="output is not finite"):
        attn_audit.audit(model, tiny_examples(2))


def test_missing_inputs_are_named() -> None:
    with pytest.raises(UsageError, match="no model at"):
        attn_audit.audit("nowhere.pt", tiny_examples(1))


def test_what_measures_took_stands_where_equal_audits_differ() -> None:
    options: dict[str, Any] = {"checks": "correlation", "measures": "gradient,leave_one_out"}
    report = attn_audit.audit(tiny_model(), EXAMPLES[:5], **options)
    assert report.run is not None
    costs = report.run.costs
    assert {name: cost.n for name, cost in costs.items()} == dict.fromkeys(
        ("attention", "gradient", "leave_one_out"), 5
    )
    assert costs["gradient"].passes == 2
    assert all(cost.milliseconds > 0 for cost in costs.values())
    assert attn_audit.audit(tiny_model(), EXAMPLES[:5], reproducible=True, **options).run is None
