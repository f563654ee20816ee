"""A stored report is what was written, or it is refused with what is wrong and what to do."""

import hashlib
import json
from collections.abc import Callable
from math import nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.errors import ReportError
from attn_audit.results.report import Report
from attn_audit.results.storage import content_sha256

Edit = Callable[[dict[str, Any]], object]


def refused(path: Path) -> ReportError:
    with pytest.raises(ReportError) as raised:
        Report.load(path)
    assert str(path) in raised.value.message
    assert raised.value.exit_code == 2
    return raised.value


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "report.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("  \n", "the file is empty"),
        ("hello", "it is not JSON"),
        ("[]", "no schema version"),
        ("{}", "no schema version"),
        ('{"schema_version": "1"}', "no schema version"),
        ('{"schema_version": true}', "no schema version"),
        ('{"schema_version": 0}', "version 0 is no longer read"),
        ('{"schema_version": 5}', "made by a newer attn-audit (schema version 5, here 4)"),
        ('{"schema_version": 1}', "version 1 is no longer read (here 4)"),
        ('{"schema_version": 2}', "version 2 is no longer read (here 4)"),
        ('{"schema_version": 3}', "version 3 is no longer read (here 4)"),
        ('{"schema_version": 4}', "tool: is missing"),
        ('{"a": 1,, "b": 2}', "line 1, column 9"),
        (b'{"a": "\xff"}', "not UTF-8 text"),
        ('{"a": ' + "1" * 5000 + "}", "it is no report"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "it is no report"),
    ],
)
def test_refuses_what_is_no_report(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert message in refused(written(tmp_path, content)).message


def test_a_newer_report_says_to_update(tmp_path: Path) -> None:
    assert "pip install --upgrade" in str(refused(written(tmp_path, '{"schema_version": 9}')).hint)


def test_refuses_a_report_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "nowhere.json").message
    assert "it is a folder" in refused(tmp_path).message


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: content["metrics"]["performance.accuracy"].update(share=0.99),
        lambda content: content["metrics"]["correlation.gap.attention_gradient"].update(mean=0.0),
        lambda content: content["telling_examples"][0]["record"].update(label="negative"),
        lambda content: content["telling_examples"].pop(),
        lambda content: content.update(self_checks=[]),
        lambda content: content.update(run=None),
        lambda content: content.update(content_sha256="0" * 64),
        lambda content: content.update(content_sha256=None),
        lambda content: content.update(content_sha256=7),
    ],
)
def test_refuses_an_edited_report(tmp_path: Path, report: Report, edit: Edit) -> None:
    content = json.loads(report.to_json())
    edit(content)
    error = refused(written(tmp_path, json.dumps(content)))
    assert "content_sha256" in error.message
    assert "audit again" in str(error.hint)


def test_refuses_a_report_without_its_hash(tmp_path: Path, report: Report) -> None:
    content = json.loads(report.to_json())
    del content["content_sha256"]
    assert "has no content_sha256" in refused(written(tmp_path, json.dumps(content))).message


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda record: record["attention"].pop(), "values of attention for"),
        (lambda record: record.update(prediction=[record["prediction"]]), "one label beside"),
        (
            lambda record: record.update({"adversarial.distance": None}),
            "adversarial attention without its distance",
        ),
        (
            lambda record: record.update({"correlation.attention_gradient": nan}),
            "correlation.attention_gradient: must be a finite number",
        ),
        (lambda record: record.update(nonsense=1), "nonsense: there is no such field"),
        (lambda record: record.pop("id"), "id: is missing"),
    ],
)
def test_refuses_a_shown_example_that_no_audit_shows(
    tmp_path: Path, report: Report, edit: Edit, problem: str
) -> None:
    content = json.loads(report.to_json())
    edit(content["telling_examples"][0]["record"])
    assert problem in refused(written(tmp_path, json.dumps(content))).message


def test_names_the_field_that_an_edit_broke(tmp_path: Path, report: Report) -> None:
    content = json.loads(report.to_json())
    content["data"]["n_examples"] = "many"
    assert "data.n_examples: must be" in refused(written(tmp_path, json.dumps(content))).message


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_refuses_a_shown_number_that_is_none(tmp_path: Path, report: Report, number: float) -> None:
    for is_told in (True, False):
        content = json.loads(report.to_json())
        told, sampled = content["telling_examples"][0]["record"], content["sampled_examples"][-1]
        (told if is_told else sampled)["attention"][0] = number
        message = refused(written(tmp_path, json.dumps(content))).message
        assert "attention.0: must be a finite number" in message


def test_another_layout_or_order_of_keys_is_no_edit(tmp_path: Path, report: Report) -> None:
    content = json.loads(report.to_json())
    turned = dict(reversed(content.items()))
    assert Report.load(written(tmp_path, json.dumps(turned, separators=(",", ":")))) == report


def test_a_report_from_before_a_field_was_added_is_unedited(tmp_path: Path, report: Report) -> None:
    content = json.loads(report.to_json())
    del content["sites"]  # it has a default
    content["content_sha256"] = content_sha256(content)
    assert Report.load(written(tmp_path, json.dumps(content))) == report


@pytest.fixture(scope="session")
def stored_bytes() -> bytes:
    """A long JSON object with every kind of value, nested as in a report."""
    values = [0.25, -1e-7, None, True, 'naïve "text" \\ \n\u2603', {"a": {"b": [1, 2, {}]}}]
    return (json.dumps({"schema_version": 1, "x": values}, indent=2, ensure_ascii=False)).encode()


@given(data=st.data())
def test_every_beginning_of_a_report_is_said_to_end_early(
    stored_bytes: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    n_kept = data.draw(st.integers(1, len(stored_bytes) - 1))
    path = written(tmp_path_factory.mktemp("cut"), stored_bytes[:n_kept])
    assert "ends early" in refused(path).message


def test_the_hash_is_that_of_sorted_compact_ascii_json() -> None:
    expected = hashlib.sha256(b'{"a":"na\\u00efve","b":[1.5,null]}').hexdigest()
    assert content_sha256({"b": [1.5, None], "content_sha256": "x", "a": "naïve"}) == expected
