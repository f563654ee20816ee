"""No word of the texts leaves an audit that was told so: everything that it writes is searched."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import AttnAudit

SUFFIXES = (".json", ".html", ".md", ".txt", ".csv", ".xml", ".sarif")

QUICK = ("--permutations", 5, "--iterations", 3, "--restarts", 1)

MARK = "qzqz"
"""In a word of every text, and by chance in no script or hash."""


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Eight labelled texts."""
    path = tmp_path / "texts.jsonl"
    rows = [
        {"id": f"e{i}", "text": f"w{i + 4} {MARK}{i} w9 w{i + 13}", "label": f"label{i % 2}"}
        for i in range(8)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def told(folder: Path) -> list[str]:
    """Files in which a word of the texts stands."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content = json.dumps(pq.read_table(path).to_pylist()).encode()
        if MARK.encode() in content:
            found.append(path.name)
    return found


def outputs(folder: Path) -> list[object]:
    folder.mkdir()
    return [part for suffix in SUFFIXES for part in ("--output", folder / f"report{suffix}")]


def test_an_audit_writes_no_word_of_the_texts(
    attn_audit: AttnAudit, model: Path, texts: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    result = attn_audit(
        "audit", model, texts, *QUICK, *outputs(made), "--figures", made / "figures",
        "--records", made / "records.parquet", "--run-dir", made / "run", "--policy", "default",
        "--format", "terminal", "--no-texts",
    )  # fmt: skip
    assert {path.name for path in made.iterdir()} > {"report.html", "records.parquet", "run"}
    assert MARK not in result.stdout + result.stderr
    assert told(made) == []
    record = pq.read_table(made / "records.parquet").to_pylist()[0]
    assert record["units"] == [f"#{i}" for i in range(1, record["n_units"] + 1)]
    assert "e0" in (made / "report.html").read_text()


def test_without_being_told_so_it_does(
    attn_audit: AttnAudit, model: Path, texts: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    attn_audit("audit", model, texts, *QUICK, *outputs(made)[:4])
    assert told(made) == ["report.html", "report.json"]


def test_a_stored_report_is_shown_without_them(
    attn_audit: AttnAudit, model: Path, texts: Path, tmp_path: Path
) -> None:
    first, made = tmp_path / "report.json", tmp_path / "made"
    attn_audit(
        "audit", model, texts, *QUICK, "--output", first, "--records", tmp_path / "records.jsonl"
    )
    result = attn_audit(
        "report", first, *outputs(made), "--figures", made / "figures", "--policy", "default",
        "--format", "terminal", "--no-texts",
    )  # fmt: skip
    assert result.exit_code == 0
    assert MARK not in result.stdout + result.stderr
    assert told(made) == []
    assert json.loads((made / "report.json").read_text())["records"] is None


def test_an_audit_without_them_can_be_verified(
    attn_audit: AttnAudit, model: Path, texts: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    attn_audit(
        "audit", model, texts, *QUICK, "--no-texts",
        "--output", report, "--records", tmp_path / "records.parquet",
    )  # fmt: skip
    result = attn_audit("verify", report, model, texts)
    assert result.exit_code == 0, result.stdout
    assert MARK not in result.stdout


def test_records_of_a_run_that_kept_words_are_refused(
    attn_audit: AttnAudit, model: Path, texts: Path, tmp_path: Path
) -> None:
    attn_audit("audit", model, texts, *QUICK, "--run-dir", tmp_path / "run", "-q")
    result = attn_audit("report", tmp_path / "run", "--records", tmp_path / "r.csv", "--no-texts")
    assert result.exit_code == 2
    assert "keeps words of the texts" in result.stderr
