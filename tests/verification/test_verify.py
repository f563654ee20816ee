"""An honest report holds; of a forged one everything that was changed is found and named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import attn_audit
from attn_audit import public
from attn_audit.findings.adversarial import MAX_JSD
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.paper.network import EncoderKind
from attn_audit.models.task import TaskKind
from attn_audit.results.model_description import Leverage
from attn_audit.results.report import Report
from attn_audit.verification.recomputation import summed_up
from attn_audit.verification.verify import StoredAudit
from tests.judged import with_metric
from tests.models.interception.matrix import audited as audited_architecture
from tests.models.interception.zoo import examples
from tests.tiny import tiny_model
from tests.verification.conftest import Audited, Change, audit_into, failed
from tests.verification.forging import Rows, forge, rehash, save_audit


def test_an_untouched_report_holds(audited: Audited) -> None:
    found = audited.verify()
    assert found.holds
    assert (found.n_examples, found.n_sampled) == (12, 2)
    assert found.n_witnesses > 5
    assert {claim.subject for claim in found.claims} == {
        "witnesses",
        "sample",
        "records",
        "summary",
    }


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (
            tiny_model(EncoderKind.CNN, kind=TaskKind.MULTICLASS, n_labels=3),
            {"iterations": 5, "limit": 5},
        ),
        (tiny_model(kind=TaskKind.MULTILABEL, n_labels=3), {"iterations": 5, "limit": 5}),
        (
            tiny_model(EncoderKind.AVERAGE, is_pair=True),
            {"is_pair": True, "iterations": 5, "limit": 5},
        ),
        (tiny_model(), {"checks": "correlation", "measures": "gradient"}),
        (tiny_model(), {"method": "gradient", "iterations": 3, "limit": 5, "epsilon": 0.05}),
        (
            tiny_model(),
            {"checks": "permutation", "limit": 7, "seed": 3, "title": "Seed 3", "author": "Ada"},
        ),
    ],
)
@pytest.mark.usefixtures("everything_sampled")
def test_every_kind_of_report_holds(tmp_path: Path, model: Any, settings: Any) -> None:
    assert failed(audit_into(tmp_path, model, **settings).verify()) == {}


@pytest.mark.usefixtures("everything_sampled")
def test_other_batches_are_rounding(audited: Audited) -> None:
    assert audited.verify(batch_size="1").holds


def test_so_are_other_threads(audited: Audited) -> None:
    assert audited.verify(threads=2).holds


def test_records_in_parquet_hold(tmp_path: Path) -> None:
    assert audit_into(tmp_path, records=tmp_path / "records.parquet").verify().holds


def _set(name: str, value: Any) -> Change:
    return lambda row: row.update({name: value})


def _swap(name: str) -> Change:
    """The largest value and the smallest, so that sums stay."""

    def change(row: dict[str, Any]) -> None:
        values = row[name]
        i, j = values.index(max(values)), values.index(min(values))
        values[i], values[j] = values[j], values[i]

    return change


def _add(name: str, amount: float) -> Change:
    return lambda row: row.update({name: row[name] + amount})


def _doubled(name: str) -> Change:
    return lambda row: row.update({name: [2 * value for value in row[name]]})


def _single_unit(row: dict[str, Any]) -> None:
    """A witness that is farther away than any can be while the output stays."""
    row["adversarial.attention"] = [0.0] * row["n_units"]
    row["adversarial.attention"][row["attention"].index(max(row["attention"]))] = 1.0


CHANGES: tuple[tuple[Change, str, str], ...] = (
    (_add("adversarial.max_jsd", 0.01), "divergence", "adversarial.max_jsd"),
    (_add("adversarial.distance", -0.001), "output distance", "adversarial.distance"),
    (_set("adversarial.attention", None), "kept where one was found", "adversarial.attention"),
    (_doubled("adversarial.attention"), "is a distribution", "adversarial.attention"),
    (_single_unit, "divergence", "adversarial.max_jsd"),
    (_swap("attention"), "attention", "attention["),
    (_swap("attention"), "taus and p-values", "correlation.attention_"),
    (_swap("gradient"), "gradient", "gradient["),
    (_swap("leave_one_out"), "leave-one-out", "leave_one_out["),
    (
        _add("correlation.attention_gradient", 0.01),
        "taus and p-values",
        "correlation.attention_gradient",
    ),
    (
        _set("correlation.attention_leave_one_out_p_value", 0.01),
        "taus and p-values",
        "correlation.attention_leave_one_out_p_value",
    ),
    (
        _add("correlation.gradient_leave_one_out", -0.5),
        "taus",
        "correlation.gradient_leave_one_out",
    ),
    (_add("probability", 0.001), "probability", "probability"),
    (_set("prediction", "label7"), "predictions, units, statuses", "prediction"),
    (_set("correlation.status", "x"), "predictions, units, statuses", "correlation.status"),
    (_add("audited_mass", -0.1), "audited mass, largest weight", "audited_mass"),
    (
        _add("permutation.distance", 0.01),
        "permutations: output distance",
        "permutation.distance",
    ),
    (
        _add("permutation.jsd", 0.01),
        "permutations: divergence",
        "permutation.jsd",
    ),
    (
        _add("permutation.within_epsilon", 0.1),
        "permutations within epsilon",
        "permutation.within_epsilon",
    ),
    (
        _add("permutation.uniform.distance", 0.01),
        "uniform: output distance",
        "permutation.uniform.distance",
    ),
    (
        _add("adversarial.relative_jsd", -0.1),
        "relative divergence, bounds",
        "adversarial.relative_jsd",
    ),
    (
        _add("adversarial.upper_bound", -0.1),
        "relative divergence, bounds",
        "adversarial.upper_bound",
    ),
    (
        _set("adversarial.upper_bound", None),
        "predictions, units, statuses",
        "adversarial.upper_bound",
    ),
)
"""What is done to a record, the claim that no longer holds, and the value that is named."""

AT_ONCE = 8
"""Changes in one report, each in a record of its own."""


@pytest.mark.parametrize("start", range(0, len(CHANGES), AT_ONCE))
@pytest.mark.usefixtures("everything_sampled")
def test_a_forged_record_is_named(audited: Audited, start: int) -> None:
    forged: dict[str, tuple[Change, str, str]] = {}

    def each_in_another(rows: Rows) -> None:
        long = [row for row in rows if row["n_units"] > 5 and row["correlation.status"]]
        for row, forgery in zip(long, CHANGES[start : start + AT_ONCE], strict=False):
            forged[row["id"]] = forgery
            forgery[0](row)

    forge(audited.report, each_in_another)
    assert len(forged) == min(AT_ONCE, len(CHANGES) - start)
    found = audited.verify()
    assert not found.holds
    named = [(claim, each) for claim, found in failed(found).items() for each in found.failures]
    assert {each.example for _, each in named} == set(forged)
    for example, (_, claim, what) in forged.items():
        of_it = [each.what for name, each in named if (name, each.example) == (claim, example)]
        assert any(name.startswith(what) for name in of_it), (what, of_it)


def test_every_witness_is_checked_not_a_tenth(audited: Audited) -> None:
    def all_of_them(rows: Rows) -> None:
        for row in rows:
            if row["adversarial.max_jsd"] is not None:
                row["adversarial.max_jsd"] /= 2

    forge(audited.report, all_of_them)
    found = audited.verify()
    assert failed(found)["divergence"].n_failed == found.n_witnesses


def test_a_witness_that_moves_the_output_is_found(tmp_path: Path) -> None:
    audited = audit_into(tmp_path, epsilon=0.2)
    stored = Report.load(audited.report)
    settings = stored.settings.model_copy(update={"epsilon": 0.01})
    audited.report.write_text(stored.model_copy(update={"settings": settings}).to_json())
    named = failed(audited.verify())["output stays within epsilon"]
    assert named.failures[0].stored == "0.01"
    assert float(named.failures[0].found) > 0.01


def test_a_forged_summary_is_named(audited: Audited) -> None:
    forged = with_metric(Report.load(audited.report), MAX_JSD, mean=0.1)
    audited.report.write_text(forged.to_json())
    (claim,) = failed(audited.verify()).values()
    assert [failure.what for failure in claim.failures] == ["metrics.adversarial.max_jsd.mean"]
    assert claim.failures[0].stored == "0.1"


def test_a_record_that_was_left_out_is_named(audited: Audited) -> None:
    left_out: list[str] = []
    forge(audited.report, lambda rows: left_out.append(rows.pop(4)["id"]))
    named = failed(audited.verify())["examples are those of the data"]
    assert [failure.example for failure in named.failures] == left_out


def test_a_record_too_many_is_named(audited: Audited) -> None:
    forge(audited.report, lambda rows: rows.append({**rows[0], "id": "made up"}))
    named = failed(audited.verify())["examples are those of the data"]
    assert [failure.example for failure in named.failures] == ["made up"]


def test_another_seed_draws_another_tenth(tmp_path: Path) -> None:
    from attn_audit.verification.verify import chosen

    ids = [f"e{i}" for i in range(200)]
    first = chosen(ids, "a", 0)
    assert len(first) == 20
    assert first == chosen(ids[::-1], "a", 0)
    assert len({first, chosen(ids, "a", 1), chosen(ids, "b", 0)}) == 3


def test_failures_are_counted_and_the_first_are_named(audited: Audited) -> None:
    def all_of_them(rows: Rows) -> None:
        for row in rows:
            row["id"] = f"other {row['id']}"
            row["correlation.gradient_leave_one_out"] = 0.123

    forge(audited.report, all_of_them)
    claim = failed(audited.verify())["taus and p-values"]
    assert claim.n_failed == 12
    assert len(claim.failures) == 10


def test_only_the_file_matters_not_where_it_lies(audited: Audited, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for path in (audited.report, audited.report.with_suffix(".jsonl")):
        path.rename(folder / path.name)
    assert Audited(audited.model, audited.data, folder / "report.json").verify().holds


def test_rehashing_changes_nothing_else(audited: Audited) -> None:
    before = audited.report.read_text()
    rehash(audited.report)
    assert audited.report.read_text() == before


def test_a_sample_of_a_folder_is_the_same_sample(audited: Audited, tmp_path: Path) -> None:
    folder = tmp_path / "splits"
    folder.mkdir()
    audited.data.rename(folder / "dev.jsonl")
    report = save_audit(audited.model, folder, tmp_path / "r.json", split="dev", limit=6)
    found = Audited(audited.model, folder, report).verify()
    assert found.holds
    assert found.n_examples == 6


TEXTS = examples((10, 6, 8, 9, 7, 12, 5, 11), seed=4)


OfLayers = tuple[InterceptedModel, public.Report]


@pytest.fixture(scope="module")
def of_layers(tmp_path_factory: pytest.TempPathFactory) -> OfLayers:
    """A model with several layers, and what is stored of its audit."""
    model, records = audited_architecture("bert"), tmp_path_factory.mktemp("of") / "records.jsonl"
    settings: dict[str, Any] = {"checks": "permutation", "permutations": 3, "reproducible": True}
    return model, attn_audit.audit(model, TEXTS, records=records, **settings)


def test_leverage_by_layer_is_computed_again(of_layers: OfLayers) -> None:
    model, report = of_layers
    found = attn_audit.verify(report, model, TEXTS)
    assert found.holds
    claims = {claim.name: claim for claim in found.claims if claim.subject == "layers"}
    assert claims["leverage by layer"].n == len(model.layers) + 1
    assert claims["share of texts decided"].n == 4 * (len(model.layers) + 1)


def with_layers(report: public.Report, change: Callable[[dict[str, Any]], object]) -> public.Report:
    """Another table of layers in a report that is summed up anew, so that its answer follows."""
    assert report.layers is not None
    layers = report.layers.model_dump()
    change(layers)
    forged = report.model_copy(update={"layers": Leverage(**layers)})
    audit = StoredAudit.of(forged, Path("report.json"))
    found = summed_up(forged, audit.records(), audit.site_records())
    return forged.model_copy(update={"answer": found.answer})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda t: (
                t["layers"][0].update(margin=0.0),
                t["layers"][1]["matters"].update(count=20),
                t["together"].update(margin=9.0),
            ),
            {
                "leverage by layer": ["layers.layers[0].margin", "layers.together.margin"],
                "share of texts decided": ["layers.layers[1].matters.count"],
            },
        ),
        (lambda t: t.update(n_texts=64), {"must be the same": ["layers.n_texts"]}),
        (lambda t: t.update(layers=t["layers"][:1]), {"must be the same": ["layers.layers"]}),
    ],
)
def test_a_forged_table_of_layers_is_found(
    of_layers: OfLayers,
    change: Callable[[dict[str, Any]], object],
    expected: dict[str, list[str]],
) -> None:
    model, report = of_layers
    named = failed(attn_audit.verify(with_layers(report, change), model, TEXTS))
    found = {claim: [failure.what for failure in of.failures] for claim, of in named.items()}
    assert found == expected


def test_the_reach_that_chose_a_layer_is_measured_again(tmp_path: Path) -> None:
    model, records = audited_architecture("bert"), tmp_path / "records.jsonl"
    settings: dict[str, Any] = {"checks": "permutation", "permutations": 3, "reproducible": True}
    report = attn_audit.audit(model, TEXTS, records=records, layer="best", **settings)
    assert attn_audit.verify(report, model, TEXTS).holds
    forged = with_layers(report, lambda table: table["layers"][0]["reach"].update(count=9))
    (failure,) = failed(attn_audit.verify(forged, model, TEXTS))["share of texts decided"].failures
    assert failure.what == "layers.layers[0].reach.count"


def test_a_table_of_layers_that_was_left_out_is_missed(of_layers: OfLayers) -> None:
    model, report = of_layers
    forged = report.model_copy(update={"layers": None})
    claim = failed(attn_audit.verify(forged, model, TEXTS))["must be the same"]
    assert claim.failures[0].what == "layers"
