"""`selftest`: the exit code says whether every answer is right."""

import json

import pytest
from typer.testing import CliRunner

from attn_audit import selftest
from attn_audit.cli import app
from attn_audit.results.verdict import MayShow

CONSTANT = next(case for case in selftest.CASES if case.name == "constant")


@pytest.fixture
def one_case(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(selftest, "SCALES", (1.0,))
    monkeypatch.setattr(selftest, "CASES", (CONSTANT,))
    return monkeypatch


@pytest.mark.usefixtures("one_case")
def test_right_answers_are_a_table_and_exit_code_0() -> None:
    done = CliRunner().invoke(app, ["selftest"])
    assert done.exit_code == 0
    assert "every answer is right" in done.stdout
    assert "✓ right" in done.stdout


def test_a_wrong_answer_is_exit_code_1_and_says_what_is_true(
    one_case: pytest.MonkeyPatch,
) -> None:
    wrong = selftest.Case(CONSTANT.formula, (MayShow.YES,))
    one_case.setattr(selftest, "CASES", (wrong,))
    done = CliRunner().invoke(app, ["selftest"])
    assert done.exit_code == 1
    assert "1 wrong answer" in done.stdout
    assert "✗ wrong" in done.stdout
    assert "attention cannot matter" in done.stdout


@pytest.mark.usefixtures("one_case")
def test_programs_read_the_answers() -> None:
    found = json.loads(CliRunner().invoke(app, ["selftest", "--format", "json"]).stdout)
    assert [case["found"] for case in found["cases"]] == [["no"]]
    assert found["cases"][0]["is_right"] is True
