import json
from pathlib import Path

from attn_audit.results import report as module
from attn_audit.results.report import Report

SCHEMA = Path(module.__file__).with_name("report.schema.json")


def test_the_published_schema_is_the_reports_own() -> None:
    """After a wanted change: write `Report.model_json_schema()` there again."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == Report.model_json_schema()
