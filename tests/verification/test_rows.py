"""Several heads, query rows and sites: the witness is checked row by row."""

import json
from pathlib import Path

import pytest

from tests.conftest import Checkpoint
from tests.verification.conftest import Audited, failed
from tests.verification.forging import Rows, forge, save_audit

TEXTS = ("a fine film", "not a good film at all")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"id": t, "text": t}) + "\n" for t in TEXTS))
    return path


def audit(checkpoint: Checkpoint, kind: str, data: Path, **settings: object) -> Audited:
    model, report = checkpoint(kind), data.with_name("report.json")
    few = {"iterations": 2, "restarts": 1, "permutations": 3, "erasure_sample": 2}
    save_audit(model, data, report, **few, **settings)
    return Audited(model, data, report)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
@pytest.mark.usefixtures("everything_sampled")
def test_heads_and_rows_hold(checkpoint: Checkpoint, data: Path, kind: str) -> None:
    audited = audit(checkpoint, kind, data, unit="word")
    found = audited.verify()
    assert failed(found) == {}
    assert found.n_not_kept == 0


def test_scores_with_a_sign_hold(checkpoint: Checkpoint, data: Path) -> None:
    signed = "gradient_x_input,integrated_gradients"
    audited = audit(checkpoint, "bert", data, checks="correlation", measures=signed)
    found = audited.verify()
    assert failed(found) == {}
    assert "taus and p-values" in {claim.name for claim in found.claims}


@pytest.mark.usefixtures("everything_sampled")
def test_every_site_holds(checkpoint: Checkpoint, data: Path) -> None:
    data.write_text(data.read_text().splitlines()[0] + "\n")  # of many rows
    audited = audit(checkpoint, "bert", data, layer="all", rows="all")
    found = audited.verify()
    assert failed(found) == {}
    assert "sites" in {claim.subject for claim in found.claims}


def test_a_forged_row_is_named(checkpoint: Checkpoint, data: Path) -> None:
    audited = audit(checkpoint, "bert", data, checks="adversarial")

    def turn_a_row(rows: Rows) -> None:
        rows[1]["adversarial.rows"][0].reverse()

    forge(audited.report, turn_a_row)
    named = failed(audited.verify())["rows give what is shown"]
    assert [failure.example for failure in named.failures] == [TEXTS[1]]


@pytest.mark.usefixtures("everything_sampled")
def test_a_forged_site_is_named(checkpoint: Checkpoint, data: Path) -> None:
    data.write_text(data.read_text().splitlines()[0] + "\n")
    audited = audit(checkpoint, "bert", data, head="all", checks="permutation")
    sites = data.with_name("report.sites.jsonl")
    rows = [json.loads(line) for line in sites.read_text().splitlines()]
    rows[1]["permutation.uniform.distance"] += 0.5
    sites.write_text("".join(json.dumps(row) + "\n" for row in rows))
    _rehash_sites(audited.report, sites)
    claim = failed(audited.verify())["uniform: output distance"]
    (failure,) = claim.failures
    assert failure.example == TEXTS[0]
    assert failure.what.startswith("permutation.uniform.distance at layer")


def _rehash_sites(report: Path, sites: Path) -> None:
    from attn_audit.files import sha256_of
    from attn_audit.results.report import Report

    stored = Report.load(report)
    assert stored.records_file is not None
    assert stored.records_file.sites is not None
    of_sites = stored.records_file.sites.model_copy(update={"sha256": sha256_of(sites)})
    records = stored.records_file.model_copy(update={"sites": of_sites})
    report.write_text(stored.model_copy(update={"records_file": records}).to_json())


def test_rows_that_were_not_kept_are_counted(
    checkpoint: Checkpoint, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attn_audit.checks.adversarial.witness.MAX_ROW_WEIGHTS", 15)
    audited = audit(checkpoint, "bert", data, checks="adversarial")
    found = audited.verify()
    assert found.holds
    assert found.n_not_kept > 0
    assert found.n_witnesses + found.n_not_kept == next(
        claim.n for claim in found.claims if claim.name == "kept where one was found"
    )
