"""`verify`: words in; exit code, output and messages out."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import AttnAudit
from tests.verification.forging import Rows, forge


def lower_a_divergence(rows: Rows) -> None:
    rows[2]["adversarial.max_jsd"] -= 0.05


def test_what_holds(attn_audit: AttnAudit, model: Path, data: Path, report: Path) -> None:
    outcome = attn_audit("verify", report, model, data)
    assert outcome.exit_code == 0
    assert "8 witnesses; all numbers of 1 example (seed 0)" in outcome.stdout
    assert "Everything holds" in outcome.stdout
    assert "do not" not in outcome.stdout
    assert outcome.stderr == ""


def test_what_does_not(attn_audit: AttnAudit, model: Path, data: Path, report: Path) -> None:
    forge(report, lower_a_divergence)
    outcome = attn_audit("verify", report, model, data)
    assert outcome.exit_code == 1
    assert "What does not hold" in outcome.stdout
    assert "e2" in outcome.stdout
    assert "adversarial.max_jsd" in outcome.stdout
    assert "Not everything holds" in outcome.stdout


def test_as_json(attn_audit: AttnAudit, model: Path, data: Path, report: Path) -> None:
    forge(report, lower_a_divergence)
    outcome = attn_audit("verify", report, model, data, "--format", "json", "--seed", "5")
    assert outcome.exit_code == 1
    found = json.loads(outcome.stdout)
    assert (found["holds"], found["seed"]) == (False, 5)
    failed = [claim for claim in found["claims"] if claim["n_failed"]]
    assert failed[0]["failures"][0]["example"] == "e2"


def test_other_data_is_wrong_usage(
    attn_audit: AttnAudit, model: Path, data: Path, report: Path
) -> None:
    data.write_text(data.read_text().replace("w9", "w10"))
    outcome = attn_audit("verify", report, model, data)
    assert outcome.exit_code == 2
    assert "is not the data of this report" in outcome.stderr
    assert outcome.stdout == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no REPORT and no MODEL and no DATA given"),
        (["report.json", "model.pt"], "no DATA given"),
        (["nowhere.json", "owner/model", "data.jsonl"], "cannot use the report nowhere.json"),
    ],
)
def test_what_is_missing_is_said(attn_audit: AttnAudit, words: list[str], message: str) -> None:
    outcome = attn_audit("verify", *words)
    assert outcome.exit_code == 2
    assert message in outcome.stderr


def test_cells_are_read_as_they_were(attn_audit: AttnAudit, model: Path) -> None:
    Path("data.tsv").write_text('text\tlabel\n"w5 w6 w7"\tlabel0\n"w8 w9 w10"\tlabel1\n')
    words = ("audit", model, "data.tsv", "--output", "r.json", "--records", "r.jsonl", "--quiet")
    assert attn_audit(*words, "--quoting", "csv").exit_code == 0
    first = json.loads(Path("r.jsonl").read_text().splitlines()[0])
    assert first["units"] == ["w5", "w6", "w7"]
    outcome = attn_audit("verify", "r.json", model, "data.tsv")
    assert outcome.exit_code == 0, outcome.stderr
