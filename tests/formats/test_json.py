"""The JSON of a report is the report."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.results import report as module
from attn_audit.results.report import Report
from attn_audit.results.storage import to_stored

REPORTS = ("report", "multilabel", "nothing_measured", "only_correlation", "transformer")


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_survives_the_round_trip(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    report: Report = request.getfixturevalue(name)
    path = tmp_path / "report.json"
    path.write_text(report.to_json(), encoding="utf-8")
    assert Report.load(path) == report


@pytest.mark.parametrize("name", REPORTS)
def test_json_follows_the_published_schema(name: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(name)
    schema = json.loads(Path(module.__file__).with_name("report.schema.json").read_text())
    few = report.model_copy(update={"sampled_examples": report.sampled_examples[:9]})
    jsonschema.validate(json.loads(few.to_json()), schema)


def test_json_is_strict_and_ends_in_a_line_break(report: Report) -> None:
    text = report.to_json()
    assert json.loads(text, parse_constant=pytest.fail)["schema_version"] == 4
    assert text.endswith("}\n")


@given(text=st.text(max_size=20))
def test_what_is_not_seen_is_spelled_out_and_nothing_is_lost(text: str) -> None:
    stored = to_stored({"schema_version": 1, "x": text})
    assert all(character.isprintable() or character == "\n" for character in stored)
    assert json.loads(stored)["x"] == text


def test_letters_of_all_languages_stay_readable() -> None:
    assert "naïve 映画 фильм" in to_stored({"schema_version": 1, "x": "naïve 映画 фильм"})


def test_a_lone_surrogate_can_be_written() -> None:
    stored = to_stored({"schema_version": 1, "x": "\ud800"})
    assert json.loads(stored.encode("utf-8"))["x"] == "\ud800"
