"""Every format that is registered is there, and gives text for any report."""

from pathlib import Path

import pytest

from attn_audit.config import validate
from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.formats.registry import FORMATS, JUDGED
from attn_audit.formats.result_files import require_outputs, write_reports
from attn_audit.results.report import Report, relocated
from attn_audit.results.verdict import Verdict
from attn_audit.settings import AuditSettings
from tests.formats.judging import every_kind, hostile, hostile_verdict


def settings(folder: Path, **named: object) -> AuditSettings:
    return validate(
        {key: [str(folder / v) for v in value] if isinstance(value, list) else value
         for key, value in named.items()}, {}, None
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        *((name, every_kind()) for name in ("report", "multilabel", "nothing_measured")),
        ("transformer", None),
    ],
)
def test_every_format_takes_every_report(
    tmp_path: Path, name: str, verdict: Verdict | None, request: pytest.FixtureRequest
) -> None:
    suffixes = [suffix for suffix in FORMATS if verdict is not None or suffix not in JUDGED]
    paths = [tmp_path / f"report{suffix}" for suffix in suffixes]
    write_reports(request.getfixturevalue(name), verdict, paths, tmp_path)
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert text.endswith("\n"), path.name
        assert not text.endswith("\n\n\n"), path.name


def test_no_format_lets_a_terminal_sequence_through(tmp_path: Path, report: Report) -> None:
    paths = [tmp_path / f"report{suffix}" for suffix in FORMATS]
    write_reports(hostile(report), hostile_verdict(), paths, tmp_path)
    for path in paths:
        seen = set(path.read_text(encoding="utf-8"))
        assert not seen & set("\x1b\x7f\x9b\u202e"), path.name


@pytest.mark.parametrize("suffix", JUDGED)
def test_what_holds_judgements_takes_a_policy(tmp_path: Path, suffix: str, report: Report) -> None:
    path = tmp_path / f"report{suffix}"
    with pytest.raises(ConfigurationError, match="no policy is named") as refused:
        write_reports(report, None, [path], tmp_path)
    assert "--policy default" in str(refused.value.hint)
    require_outputs(settings(tmp_path, output=[path.name], policy="default"))


@pytest.mark.parametrize(
    ("output", "records", "layer", "message"),
    [
        (["a.json", "b.md", "a.json"], None, "last", "--output names this file twice"),
        (["a.json", "b.csv"], "b.csv", "last", "--output and --records name this file twice"),
        (["b.sites.csv"], "b.csv", "all", "--output and --records name this file twice"),
        (["a.json", "data.md"], None, "last", "is read by this command"),
        (["a.json", "no/b.md"], None, "last", "there is no folder"),
    ],
)
def test_every_output_is_checked(
    tmp_path: Path, output: list[str], records: str | None, layer: str, message: str
) -> None:
    (tmp_path / "data.md").touch()
    given = settings(
        tmp_path,
        output=output,
        records=records and str(tmp_path / records),
        layer=layer,
        data=str(tmp_path / "data.md"),
    )
    with pytest.raises(OutputError, match=message):
        require_outputs(given)
    assert [path.name for path in tmp_path.iterdir()] == ["data.md"]


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    path = Path("/proc/report.md")
    with pytest.raises(OutputError, match=r"cannot write /proc/report\.md"):
        require_outputs(settings(tmp_path, output=[str(path)]))


def test_a_report_moved_and_moved_back_is_the_same(tmp_path: Path, transformer: Report) -> None:
    assert transformer.records_file is not None
    assert transformer.records_file.sites is not None
    sites = transformer.records_file.sites.model_copy(
        update={"path": "report.records.sites.parquet"}
    )
    records = transformer.records_file.model_copy(
        update={"path": "report.records.parquet", "sites": sites}
    )
    transformer = transformer.model_copy(update={"records_file": records})
    there = relocated(transformer, tmp_path / "a", tmp_path / "b" / "c")
    assert there.records_file is not None
    assert there.records_file.path == "../../a/report.records.parquet"
    assert there.records_file.sites is not None
    assert there.records_file.sites.path == "../../a/report.records.sites.parquet"
    assert relocated(there, tmp_path / "b" / "c", tmp_path / "a") == transformer


def test_a_report_without_records_is_at_home_anywhere(
    tmp_path: Path, only_correlation: Report
) -> None:
    assert relocated(only_correlation, tmp_path, tmp_path / "b") is only_correlation
