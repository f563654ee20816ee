"""The JSON of a report is the report."""

import json
from pathlib import Path

import jsonschema
import pytest

from attn_audit.formats import json as json_format
from attn_audit.results import report as module
from attn_audit.results.report import Report

REPORTS = ("report", "multilabel", "nothing_measured", "only_correlation", "transformer")


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_survives_the_round_trip(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    report: Report = request.getfixturevalue(name)
    path = tmp_path / "report.json"
    path.write_text(json_format.render(report), encoding="utf-8")
    assert Report.load(path) == report


@pytest.mark.parametrize("name", REPORTS)
def test_json_follows_the_published_schema(name: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(name)
    schema = json.loads(Path(module.__file__).with_name("report.schema.json").read_text())
    jsonschema.validate(json.loads(json_format.render(report)), schema)


def test_json_is_strict_and_ends_in_a_line_break(report: Report) -> None:
    text = json_format.render(report)
    assert json.loads(text, parse_constant=pytest.fail)["schema_version"] == 1
    assert text.endswith("}\n")
