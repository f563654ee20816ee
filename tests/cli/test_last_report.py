"""The last report is kept without a word of the user, and goes by the name of `last`."""

import json
import os
import shutil
import stat
from pathlib import Path
from unittest.mock import Mock

import pytest

from attn_audit.cli.last_report import folder_of_last
from attn_audit.results.report import Report
from tests.cli.conftest import AttnAudit, invoke, write_data, write_model

QUICK = ("--checks", "correlation,permutation", "--permutations", 3)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test keeps."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "attn-audit" / "last"


@pytest.fixture(scope="module")
def audited_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an audit that was kept."""
    folder = tmp_path_factory.mktemp("audited")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        words = write_model(folder / "model.pt"), write_data(folder / "data.jsonl"), *QUICK
        done = invoke("audit", *words)
    assert done.exit_code == 0, done.stderr
    kept = folder / "cache" / "attn-audit" / "last"
    assert str(kept) in done.stderr
    assert "attn-audit gate last" in done.stderr
    assert "Records     not written" in done.stdout
    return kept


@pytest.fixture
def kept(audited_once: Path, model: Path, data: Path, cache: Path) -> Path:
    """Its file as if it had been kept in this test."""
    assert model.parent == data.parent
    return shutil.copytree(audited_once, cache) / "report.json"


def test_is_kept_with_its_records_for_its_owner_alone(kept: Path) -> None:
    report = Report.load(kept)
    assert report.records_file is not None
    assert {file.name for file in kept.parent.iterdir()} == {kept.name, report.records_file.path}
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("report", "last"), 0),
        (("gate", "last"), 4),
        (("compare", "last", "last"), 0),
        (("verify", "last", "model.pt", "data.jsonl"), 0),
    ],
)
def test_stands_wherever_a_report_is_asked_for(
    attn_audit: AttnAudit, words: tuple[object, ...], code: int
) -> None:
    done = attn_audit(*words)
    assert done.exit_code == code, done.stderr


@pytest.mark.usefixtures("kept")
def test_says_what_to_show_where_it_was_asked_that(attn_audit: AttnAudit) -> None:
    done = attn_audit("explain", "model.pt", "--text", "w4 w9", "--report", "last")
    assert "the erasure check was not run" in done.stderr


@pytest.mark.usefixtures("kept")
def test_is_kept_for_good_with_its_records_or_without(attn_audit: AttnAudit) -> None:
    assert attn_audit("report", "last", "-o", "alone.json").exit_code == 0
    assert Report.load(Path("alone.json")).records_file is None
    done = attn_audit("report", "last", "-o", "r.json", "--records", "r.parquet")
    assert done.exit_code == 0, done.stderr
    assert "8 matched by id" in attn_audit("compare", "r.json", "last").stdout
    assert attn_audit("verify", "r.json", "model.pt", "data.jsonl").exit_code == 0
    refused = attn_audit("report", "last", "--records", "r.csv")
    assert (refused.exit_code, Path("r.csv").exists()) == (2, False)


def test_the_next_takes_its_place_quiet_or_not(
    attn_audit: AttnAudit, kept: Path, model: Path, data: Path
) -> None:
    done = attn_audit("audit", model, data, *QUICK, "--seed", 3, "-q")
    assert (done.exit_code, done.stderr) == (0, "")
    report = Report.load(kept)
    assert report.settings.seed == 3
    assert len([*kept.parent.iterdir()]) == 2


def test_what_goes_to_a_file_is_the_last_and_not_kept_twice(
    attn_audit: AttnAudit, kept: Path, model: Path, data: Path, tmp_path: Path
) -> None:
    words = ("--seed", 3, "-o", "page.html", "-o", "own.json", "--records", "own.parquet")
    done = attn_audit("audit", model, data, *QUICK, *words)
    assert "kept" not in done.stderr
    (pointer,) = kept.parent.iterdir()
    assert pointer.read_text().endswith(f" {tmp_path / 'own.json'}")
    assert attn_audit("verify", "last", model, data).exit_code == 0
    assert "8 matched by id" in attn_audit("compare", "own.json", "last").stdout
    assert attn_audit("report", "last", "-o", "again.json").exit_code == 0
    again = Report.load(Path("again.json"))
    assert again.settings.seed == 3
    assert again.records_file is not None
    assert attn_audit("report", "last", "-o", "own.json").exit_code == 2  # it is read
    done = attn_audit("audit", model, data, *QUICK)
    assert {file.suffix for file in kept.parent.iterdir()} == {".json", ".parquet"}
    assert Report.load(kept).settings.seed == 0


@pytest.mark.usefixtures("kept")
def test_says_where_a_file_was_that_is_gone_or_another(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.json"
    assert attn_audit("audit", model, data, *QUICK, "-o", "own.json").exit_code == 0
    content = own.read_text()
    for change, problem in ((content.replace("0", "1"), "was changed since"), (None, "is gone")):
        own.unlink() if change is None else own.write_text(change)
        done = attn_audit("gate", "last")
        assert done.exit_code == 2
        assert f"{own}: the last audit wrote its report there, and it {problem}" in done.stderr
        assert "Or audit again." in done.stderr
    own.write_text(content)
    assert attn_audit("gate", "last").exit_code == 4


def test_what_no_file_holds_is_kept_beside_what_was_written(
    attn_audit: AttnAudit, model: Path, data: Path, cache: Path
) -> None:
    done = attn_audit("audit", model, data, *QUICK, "-o", "page.html")
    assert f"kept in {cache} until the next audit" in done.stderr
    assert attn_audit("verify", "last", model, data).exit_code == 0


def test_records_that_the_user_names_stay_where_they_are(
    attn_audit: AttnAudit, model: Path, data: Path, cache: Path
) -> None:
    done = attn_audit("audit", model, data, *QUICK, "--records", "r.jsonl", "--format", "json")
    assert json.loads(done.stdout)["records"]["path"] == "r.jsonl"
    assert [file.name for file in cache.iterdir()] == ["report.json"]
    assert attn_audit("verify", "last", model, data).exit_code == 0
    assert attn_audit("report", "last", "-o", "here.json").exit_code == 0
    assert attn_audit("verify", "here.json", model, data).exit_code == 0


def test_shards_of_a_run_directory_are_not_kept_twice(
    attn_audit: AttnAudit, model: Path, data: Path, cache: Path
) -> None:
    assert attn_audit("audit", model, data, *QUICK, "--run-dir", "run").exit_code == 0
    assert Report.load(cache / "report.json").records_file is None


def test_a_cache_that_cannot_be_written_fails_no_audit(
    attn_audit: AttnAudit, model: Path, data: Path, cache: Path
) -> None:
    cache.parent.mkdir()
    cache.write_text("no folder")
    done = attn_audit("audit", model, data, *QUICK)
    assert done.exit_code == 0
    assert f"`last` is not this report: {cache}: " in done.stderr
    assert "Attention audit" in done.stdout


def test_who_has_no_home_has_no_last_report_and_all_others(
    attn_audit: AttnAudit, model: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", Mock(side_effect=RuntimeError))
    done = attn_audit("audit", model, data, *QUICK, "-o", "report.json")
    assert done.exit_code == 0
    assert "`last` is not this report: " in done.stderr
    assert attn_audit("gate", "report.json").exit_code == 4
    done = attn_audit("gate", "last")
    assert done.exit_code == 2
    assert "XDG_CACHE_HOME" in done.stderr


def test_nothing_kept_says_how_to_keep_and_a_file_of_that_name_comes_first(
    attn_audit: AttnAudit, report: Path
) -> None:
    done = attn_audit("gate", "last")
    assert done.exit_code == 2
    assert "no report is kept" in done.stderr
    assert "attn-audit audit" in done.stderr
    report.rename("last")
    assert attn_audit("gate", "last").exit_code == 4


@pytest.mark.parametrize("named", ["", "not/absolute"])
def test_lies_in_the_home_where_no_other_cache_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    assert folder_of_last() == tmp_path / ".cache" / "attn-audit" / "last"
