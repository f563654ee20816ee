"""`report`: a stored report in other formats, without the model, the data or torch."""

import json
from pathlib import Path
from typing import Any

import pytest

from attn_audit.results.report import Report
from tests.cli.conftest import AttnAudit


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of a report of the packaged model, with records beside it."""
    from attn_audit import audit, demo

    folder = tmp_path_factory.mktemp("stored")
    made = audit(
        demo.MODEL, demo.DATA, limit=20, records=folder / "records.csv", checks="permutation"
    )
    records = made.records_file
    assert records is not None
    here = records.model_copy(update={"path": "records.csv"})
    return made.model_copy(update={"records_file": here}).to_json()


@pytest.fixture
def source(tmp_path: Path, stored: str) -> Path:
    (tmp_path / "r.json").write_text(stored, encoding="utf-8")
    return Path("r.json")


def refused(attn_audit: AttnAudit, *words: object) -> str:
    """The message of a command that must fail, and writes nothing."""
    before = sorted(Path().rglob("*"))
    outcome = attn_audit("report", *words)
    assert outcome.exit_code == 2, outcome.stderr
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("error: ")
    assert sorted(Path().rglob("*")) == before
    return outcome.stderr


def test_shows_what_the_audit_showed(attn_audit: AttnAudit, source: Path) -> None:
    outcome = attn_audit("report", source)
    assert outcome.exit_code == 0
    assert "Does the prediction change when attention is shuffled?" in outcome.stdout
    assert outcome.stderr == ""


def test_gives_the_same_json_again(attn_audit: AttnAudit, source: Path, stored: str) -> None:
    assert attn_audit("report", source, "--format", "json").stdout == stored


def test_writes_every_format_at_once(attn_audit: AttnAudit, source: Path, stored: str) -> None:
    outcome = attn_audit(
        *("report", source, "--output", "a.json", "--output", "a.md", "--output", "a.csv"),
        *("--output", "a.txt"),
    )
    assert outcome.exit_code == 0
    assert outcome.stdout == ""
    assert outcome.stderr.split("\n")[:4] == [
        f"report written to a.{suffix}" for suffix in ("json", "md", "csv", "txt")
    ]
    assert Path("a.json").read_text() == stored
    assert Path("a.md").read_text().startswith("## Attention audit\n")
    assert Path("a.csv").read_text().startswith("metric,value,low,high,n\n")
    assert "Attention audit" in Path("a.txt").read_text()


def test_quiet_says_nothing(attn_audit: AttnAudit, source: Path) -> None:
    outcome = attn_audit("report", source, "--output", "a.md", "--quiet")
    assert (outcome.stdout, outcome.stderr) == ("", "")


def test_a_format_beside_a_file_is_shown_as_well(attn_audit: AttnAudit, source: Path) -> None:
    outcome = attn_audit("report", source, "--output", "a.md", "--format", "terminal", "--quiet")
    assert "Attention audit" in outcome.stdout
    assert Path("a.md").exists()


def test_in_another_folder_a_report_still_finds_its_records(
    attn_audit: AttnAudit, source: Path
) -> None:
    Path("other").mkdir()
    attn_audit("report", source, "--output", "other/r.json", "--output", "other/r.md")
    records = Report.load(Path("other/r.json")).records_file
    assert records is not None
    assert records.path == "../records.csv"
    assert "../records.csv" in Path("other/r.md").read_text()


def test_an_existing_file_is_replaced(attn_audit: AttnAudit, source: Path) -> None:
    Path("a.md").write_text("before")
    attn_audit("report", source, "--output", "a.md")
    assert Path("a.md").read_text().startswith("## Attention audit")


def test_the_configuration_of_an_audit_is_not_read(attn_audit: AttnAudit, source: Path) -> None:
    Path("attn-audit.toml").write_text('output = "a.json"\nformat = "json"\n')
    assert "Attention audit" in attn_audit("report", source).stdout
    assert not Path("a.json").exists()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("r.json", "is read by this command, and would be overwritten"),
        ("./r.json", "is read by this command, and would be overwritten"),
        ("records.csv", "is read by this command, and would be overwritten"),
        ("nowhere/a.md", "there is no folder nowhere"),
        ("folder.md", "it is a folder"),
        ("a.docx", "the suffix says the format, and '.docx' is none"),
        ("a", "the suffix says the format, and '' is none"),
        ("a.xml", "no policy is named"),
        ("a.sarif", "no policy is named"),
    ],
)
def test_a_wrong_output_is_refused_and_no_other_is_written(
    attn_audit: AttnAudit, source: Path, output: str, message: str
) -> None:
    Path("folder.md").mkdir()
    Path("folder.md", "notes.txt").touch()
    words = (source, "--output", "first.md", "--output", output)
    assert message in refused(attn_audit, *words).replace("\n", " ")


def test_a_file_named_twice_is_refused(attn_audit: AttnAudit, source: Path) -> None:
    words = (source, "--output", "a.md", "--output", "./a.md")
    assert "--output names this file twice" in refused(attn_audit, *words)


def edited(content: dict[str, Any]) -> str:
    content["data"]["n_examples"] = 7
    return json.dumps(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (edited, "it was edited after it was written"),
        (lambda content: json.dumps(content)[:5000], "the file ends early"),
        (lambda content: json.dumps({**content, "schema_version": 5}), "by a newer attn-audit"),
        (
            lambda content: json.dumps({**content, "\x1b[31m": 1}),
            "\\x1b[31m: there is no such field",
        ),
        (lambda content: "", "the file is empty"),
    ],
)
def test_a_spoilt_report_is_refused(
    attn_audit: AttnAudit, source: Path, spoil: Any, message: str
) -> None:
    source.write_text(spoil(json.loads(source.read_text())))
    assert message in refused(attn_audit, source, "--output", "a.md")


def test_a_report_that_is_not_there(attn_audit: AttnAudit) -> None:
    assert "cannot use the report nowhere.json: no such file" in refused(attn_audit, "nowhere.json")


def test_a_policy_is_told_of_in_the_files(attn_audit: AttnAudit, source: Path) -> None:
    outcome = attn_audit(
        *("report", source, "--policy", "default", "--quiet"),
        *("--output", "a.xml", "--output", "a.sarif", "--output", "a.md"),
    )
    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert "<testcase " in Path("a.xml").read_text()
    assert json.loads(Path("a.sarif").read_text())["runs"][0]["properties"]["policy"] == "default"
    assert Path("a.md").read_text().startswith("## Attention audit: ")


def test_a_policy_that_is_not_there_is_refused(attn_audit: AttnAudit, source: Path) -> None:
    assert "nowhere.toml" in refused(attn_audit, source, "--policy", "nowhere.toml")


def test_figures_go_to_a_new_folder(attn_audit: AttnAudit, source: Path) -> None:
    outcome = attn_audit("report", source, "--figures", "figures")
    assert (outcome.exit_code, outcome.stdout) == (0, "")
    written = sorted(path.name for path in Path("figures").iterdir())
    assert written
    assert {Path(name).suffix for name in written} == {".png", ".svg", ".pdf"}
    assert f"{len(written)} figures written to figures" in outcome.stderr


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("full", "the folder holds other files than figures (notes.txt)"),
        ("r.json", "it is a file, not a folder"),
        ("nowhere/figures", "there is no folder nowhere"),
    ],
)
def test_figures_never_mix_with_other_files(
    attn_audit: AttnAudit, source: Path, folder: str, message: str
) -> None:
    Path("full").mkdir()
    Path("full", "notes.txt").touch()
    assert message in refused(attn_audit, source, "--figures", folder)


def test_a_full_disk_leaves_nothing_half_written(
    attn_audit: AttnAudit, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def fails_for_csv(path: Path, content: bytes) -> int:
        if ".csv" in path.name:
            write(path, content[:10])
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fails_for_csv)
    message = refused(attn_audit, source, "--output", "a.md", "--output", "a.csv")
    assert "cannot write a.csv: No space left on device" in message
