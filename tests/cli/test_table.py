"""`attn-audit table`: many reports beside each other."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest

from attn_audit.findings.paper import BLOCKS, NAMES, columns
from attn_audit.judgement.tabulation import SEED
from attn_audit.results.storage import HASH, to_stored
from tests.cli.conftest import AttnAudit

TAU = "correlation.attention_gradient"


@pytest.fixture
def seeds(report: Path, tmp_path: Path) -> list[Path]:
    """Two reports of one model, trained with other seeds."""
    content = json.loads(report.read_text())
    content.pop(HASH)
    found = []
    for seed in (3, 4):
        content["model"] |= {"sha256": f"weights{seed}", "training": {SEED: seed, "epochs": 2}}
        content["metrics"][TAU]["mean"] = seed / 10
        found.append(tmp_path / f"seed{seed}.json")
        found[-1].write_text(to_stored(content))
    return found


def test_seeds_stand_in_one_row(attn_audit: AttnAudit, seeds: list[Path]) -> None:
    found = attn_audit("table", *seeds)
    assert found.exit_code == 0
    assert "1 model, 2 reports" in found.stdout
    assert "0.35 ± 0.07" in found.stdout
    assert "±: standard deviation over seeds" in found.stdout
    assert found.stderr == ""


def test_every_format_is_written(attn_audit: AttnAudit, seeds: list[Path], tmp_path: Path) -> None:
    files = [tmp_path / f"t{suffix}" for suffix in (".md", ".csv", ".tex", ".html", ".json")]
    found = attn_audit("table", *seeds, *(word for file in files for word in ("--output", file)))
    assert found.exit_code == 0
    assert found.stdout == ""
    of = {file.suffix: file.read_text() for file in files}
    assert "| 0.35 ± 0.07 |" in of[".md"]
    assert r"0.35 $\pm$ 0.07" in of[".tex"]
    assert "0.35 ± 0.07" in of[".html"]
    for suffix in (".md", ".tex", ".html"):  # 200 examples may stand beside a share of 198
        assert "those too short to be tested are left out of it" in of[suffix]
    assert json.loads(of[".json"])["models"][0]["numbers"][0]["values"][TAU]["n"] == 2


def test_the_csv_has_a_line_for_each_report_and_for_mean_and_deviation(
    attn_audit: AttnAudit, seeds: list[Path], tmp_path: Path
) -> None:
    attn_audit("table", *seeds, "--output", tmp_path / "t.csv")
    lines = list(csv.DictReader(StringIO((tmp_path / "t.csv").read_text())))
    overall = [(line["line"], line["seed"], line[TAU]) for line in lines if not line["predicted"]]
    assert overall[:2] == [("report", "3", "0.3"), ("report", "4", "0.4")]
    assert [kind for kind, _, _ in overall[2:]] == ["mean", "sd"]
    assert {line["predicted"] for line in lines} <= {"", "label0", "label1"}


def test_files_that_are_no_reports_are_one_error(
    attn_audit: AttnAudit, seeds: list[Path], tmp_path: Path
) -> None:
    found = attn_audit("table", *seeds, seeds[0], tmp_path / "none.json")
    assert found.exit_code == 2
    assert "2 of 4 reports cannot be tabled" in found.stderr
    assert "none.json" in found.stderr
    assert "seed3.json: named twice" in found.stderr


def test_a_report_is_never_overwritten(attn_audit: AttnAudit, seeds: list[Path]) -> None:
    before = seeds[0].read_bytes()
    assert attn_audit("table", *seeds, "--output", seeds[0]).exit_code == 2
    assert seeds[0].read_bytes() == before


def test_the_last_report_is_one_of_them(
    attn_audit: AttnAudit, model: Path, data: Path, seeds: list[Path]
) -> None:
    attn_audit("audit", model, data, "--permutations", 5, "--checks", "permutation", "-q")
    found = attn_audit("table", "last", seeds[0])
    assert found.exit_code == 0
    assert "2 reports" in found.stdout


def test_tables_are_chosen_by_name(attn_audit: AttnAudit, seeds: list[Path]) -> None:
    titles = {block.name: block.title for block in BLOCKS}
    every = attn_audit("table", *seeds).stdout
    assert "By predicted class" in every
    for name in ("gradient", "permutation"):
        found = attn_audit("table", *seeds, "--only", name, "--only", "models")
        assert found.exit_code == 0
        assert [title for title in titles.values() if title in found.stdout] == [titles[name]]
        assert "By predicted class" not in found.stdout
        assert "What was taken together" not in found.stdout
    chosen = attn_audit("table", *seeds, "--only", "gradient", "--format", "json")
    assert set(json.loads(chosen.stdout)["columns"]) == {c.name for c in columns(["gradient"])}


def test_a_table_that_is_not_there_is_said(attn_audit: AttnAudit, seeds: list[Path]) -> None:
    mistyped = attn_audit("table", *seeds, "--only", "gradients")
    assert (mistyped.exit_code, "Did you mean 'gradient'?" in mistyped.stderr) == (2, True)
    content = json.loads(seeds[0].read_text())
    content.pop(HASH)
    content["metrics"].pop("permutation.distance")
    seeds[0].write_text(to_stored(content))
    empty = attn_audit("table", seeds[0], "--only", "permutation")
    assert empty.exit_code == 2
    assert "--only permutation: the reports hold nothing" in empty.stderr


def test_help_lists_every_name(attn_audit: AttnAudit) -> None:
    said = attn_audit("table", "--help").stdout
    assert all(name in said for name in NAMES)
