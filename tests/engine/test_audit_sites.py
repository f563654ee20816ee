"""An audit of several layers and heads, from end to end, and what it is said to cost."""

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import attn_audit
from attn_audit.checks.permutation import Permutation
from attn_audit.data.example import Example
from attn_audit.engine import audit
from attn_audit.engine.audit import cost_ahead, run_audit
from attn_audit.engine.in_process import Plan
from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.findings.registry import site_fields
from attn_audit.formats.documents import sites
from attn_audit.models.contract import EncodedExample, Site
from attn_audit.progress import Watcher
from attn_audit.results.report import Report
from attn_audit.settings import AuditSettings
from attn_audit.verification.tally import compare_summaries
from tests.models.interception.matrix import audited
from tests.models.interception.zoo import examples as zoo_examples
from tests.rows import RowsModel, texts
from tests.tiny import tiny_examples, tiny_model

LENGTHS = (6, 3, 9, 1, 7)
QUICK: dict[str, Any] = {"iterations": 3, "restarts": 1, "permutations": 5}


def read_rows(path: Path) -> list[dict[str, Any]]:
    match path.suffix:
        case ".parquet":
            rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
            return rows
        case ".jsonl":
            return [json.loads(line) for line in path.read_text().splitlines()]
        case _:
            with path.open(encoding="utf-8") as file:
                return list(csv.DictReader(file))


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_every_layer_and_head_has_a_line_of_every_example(tmp_path: Path, suffix: str) -> None:
    records, sites = tmp_path / f"found{suffix}", tmp_path / f"found.sites{suffix}"
    report = attn_audit.audit(
        RowsModel(), texts(*LENGTHS), layer="all", head="all", records=records, **QUICK
    )
    rows = read_rows(sites)
    assert list(rows[0]) == [field.name for field in site_fields()]
    places = [(row["id"], int(row["layer"]), int(row["head"])) for row in rows]
    assert places == [
        (f"text-{i}", layer, head) for i in range(5) for layer in range(2) for head in range(3)
    ]
    assert len(read_rows(records)) == 5
    assert report.records_file is not None
    assert report.records_file.sites is not None
    digest = hashlib.sha256(sites.read_bytes()).hexdigest()
    assert report.records_file.sites.sha256 == digest
    assert report.records_file.sites.path.endswith(f"found.sites{suffix}")
    assert sorted(tmp_path.iterdir()) == sorted([records, sites])
    stored = tmp_path / "report.json"
    stored.write_text(report.to_json(), encoding="utf-8")
    assert Report.load(stored) == report


def test_the_reports_means_are_those_of_the_records(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    report = attn_audit.audit(RowsModel(), texts(*LENGTHS), layer="all", records=path, **QUICK)
    rows = read_rows(tmp_path / "found.sites.jsonl")
    assert [(site.layer, site.head) for site in report.sites] == [(0, None), (1, None)]
    for site in report.sites:
        assert set(site.means) <= {field.name for field in site_fields() if field.is_averaged}
        assert "adversarial.max_jsd" in site.means
        assert "adversarial.upper_bound" not in site.means  # this model's readout is not linear
        for name, found in site.means.items():
            here = [row[name] for row in rows if row["layer"] == site.layer]
            defined = [value for value in here if value is not None]
            assert found.n == len(defined)
            assert found.mean == pytest.approx(np.mean(defined))


def test_the_audited_site_is_reported_as_if_alone(tmp_path: Path) -> None:
    settings = {**QUICK, "reproducible": True}
    alone = attn_audit.audit(RowsModel(), texts(*LENGTHS), head=1, **settings)
    several = attn_audit.audit(RowsModel(), texts(*LENGTHS), layer="all", head=1, **settings)
    assert compare_summaries(alone, several.model_copy(update={"sites": ()})).n_failed == 0
    assert (alone.settings.layer, alone.settings.head, alone.settings.rows) == (1, 1, "readout")
    assert alone.sites == ()
    assert [site.layer for site in several.sites] == [0, 1]


def test_one_site_has_no_second_table(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    report = attn_audit.audit(RowsModel(), texts(*LENGTHS), layer=0, records=path, **QUICK)
    assert [file.name for file in tmp_path.iterdir()] == ["found.jsonl"]
    assert report.records_file is not None
    assert report.records_file.sites is None


def test_rows_of_every_token_are_audited() -> None:
    model = RowsModel(every_row=True)
    report = attn_audit.audit(model, texts(*LENGTHS), rows="all", head="all", **QUICK)
    assert report.settings.rows == "all"
    assert len(report.sites) == 3


def test_batch_size_does_not_matter(tmp_path: Path) -> None:
    found = []
    for size in (128, 2):
        path = tmp_path / f"{size}.jsonl"
        attn_audit.audit(
            RowsModel(),
            texts(*LENGTHS),
            layer="all",
            head="all",
            records=path,
            batch_size=size,
            **QUICK,
        )
        found.append(read_rows(tmp_path / f"{size}.sites.jsonl"))
    for one, other in zip(*found, strict=True):
        for name in (field.name for field in site_fields()):
            assert other[name] == pytest.approx(one[name], abs=1e-4), name


@pytest.mark.parametrize("layer", ["all", 0])
def test_the_second_table_is_refused_before_anything_is_computed(
    tmp_path: Path, layer: str | int
) -> None:
    (tmp_path / "found.sites.csv").mkdir()
    model = RowsModel()
    settings = {"layer": layer, "records": tmp_path / "found.csv", **QUICK}
    if layer == "all":
        with pytest.raises(OutputError, match=r"found\.sites\.csv: it is a folder"):
            attn_audit.audit(model, texts(*LENGTHS), **settings)
        assert model.n_reads == 0
    else:
        attn_audit.audit(model, texts(*LENGTHS), **settings)


def test_the_second_table_never_replaces_the_data(tmp_path: Path) -> None:
    data = tmp_path / "found.sites.jsonl"
    data.write_text('{"text": "w5 w6"}\n')
    with pytest.raises(OutputError, match="read by this command"):
        attn_audit.audit(tiny_model(), data, records=tmp_path / "found.jsonl", head="all")


def test_nothing_is_left_of_an_audit_that_failed(tmp_path: Path) -> None:
    def broken() -> Iterator[Example]:
        yield from texts(*LENGTHS * 2)
        raise RuntimeError

    path = tmp_path / "found.jsonl"
    with pytest.raises(RuntimeError):
        attn_audit.audit(RowsModel(), broken(), layer="all", records=path, **QUICK)
    assert not list(tmp_path.iterdir())


def test_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^layer 7: the model has 2 layers, 0 to 1"):
        attn_audit.audit(RowsModel(), texts(*LENGTHS), layer=7)


class ReadsLast(RowsModel):
    """Reads out its last word."""

    def encode(self, examples: Any) -> list[EncodedExample]:
        return [
            EncodedExample(e.example, e.units, False, None, readout_unit=e.n_units - 1)
            for e in super().encode(examples)
        ]


def test_deleted_readout_units_are_counted_where_units_are_left_out() -> None:
    examples = texts(*LENGTHS)
    with_it = attn_audit.audit(ReadsLast(), examples, checks=["correlation"])
    assert with_it.data.n_readout_deleted == 5
    without = attn_audit.audit(ReadsLast(), examples, checks=["correlation"], measures=["gradient"])
    assert without.data.n_readout_deleted == 0
    assert attn_audit.audit(RowsModel(), examples, **QUICK).data.n_readout_deleted == 0


@pytest.mark.parametrize("n_examples", [1, 8, 9, 20])
def test_examples_that_were_tried_are_audited_too(n_examples: int) -> None:
    examples = tiny_examples(n_examples)
    report = attn_audit.audit(tiny_model(), iter(examples), checks=["permutation"])
    assert report.data.n_examples == n_examples


def test_heads_together_are_as_each_by_itself_but_for_reach() -> None:
    model, data = audited("bert"), zoo_examples((10, 6, 8, 7), seed=4)
    settings: dict[str, Any] = {"checks": "permutation", "permutations": 5, "reproducible": True}
    together = attn_audit.audit(model, data, layer="all", head="all", **settings)
    assert len(together.sites) == 12
    for site in together.sites[::5]:
        alone = attn_audit.audit(model, data, layer=site.layer, head=site.head or 0, **settings)
        for name in ("permutation.distance", "permutation.jsd", "permutation.uniform.distance"):
            assert site.means[name].mean == pytest.approx(alone[name].value, abs=1e-6)
        assert alone["permutation.within_reach"].n == 4
        assert not any("reach" in name for name in site.means)
    assert together["permutation.within_reach"].n == 4
    assert "reach (permutation.reach)" in " ".join(sites.answer(together))


MODEL = RowsModel()
SITES = (Site(1), *(Site(layer, head) for layer in range(2) for head in range(3)))


def test_passes_are_those_of_a_text_of_median_length() -> None:
    plan, sample = Plan((Permutation(0.05, 20),), SITES, seed=0), MODEL.encode(texts(5, 9, 30))
    passes = 7 * (20 + 2) + 9  # reach at the audited site alone
    assert cost_ahead(plan, sample, 16, None) == f"7 sites: about {passes} passes a text"
    timed = cost_ahead(plan, sample, 16, 0.01)
    assert timed == f"7 sites: about {passes} passes a text, up to about 26 s for 16 texts"


@pytest.mark.parametrize("least", [0.0, 3600.0])
def test_what_takes_long_to_leave_out_is_said_before(
    least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "LONG", least)
    notes: list[str] = []
    model, data = audited("bert"), zoo_examples((6, 3, 9), seed=4)
    asked = AuditSettings(checks=("erasure",), measures=("leave_one_out",))
    run_audit(asked, load=lambda *_: model, items=data, watcher=Watcher(on_cost=notes.append))
    told = "erasure leaves units out of 3 texts: about "
    assert [note[: len(told)] for note in notes] == ([told] if least == 0 else [])


def test_it_is_said_of_several_sites_before_any_is_audited() -> None:
    def told(**settings: Any) -> list[str]:
        notes: list[str] = []
        asked = AuditSettings(checks=("permutation",), permutations=5, **settings)
        watcher = Watcher(on_cost=notes.append)
        run_audit(asked, load=lambda *_: RowsModel(), items=texts(6, 3, 9), watcher=watcher)
        return notes

    assert told() == []
    (note,) = told(layer="all", head="all")
    assert note.startswith("7 sites: about 55 passes a text")
