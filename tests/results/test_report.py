import json
from pathlib import Path

import pytest

from attn_audit.results import report as module
from attn_audit.results.report import Report, ReportError

SCHEMA = Path(module.__file__).with_name("report.schema.json")


def test_the_published_schema_is_the_reports_own() -> None:
    """After a wanted change: write `Report.model_json_schema()` there again."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == Report.model_json_schema()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read the report"),
        ("[]", "not a report of schema version 1"),
        ('{"schema_version": 2}', "not a report of schema version 1"),
        ('{"schema_version": 1}', "Field required"),
    ],
)
def test_refuses_what_is_no_report(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(ReportError, match=message):
        Report.load(path)


def test_refuses_a_report_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="cannot read the report"):
        Report.load(tmp_path / "nowhere.json")
