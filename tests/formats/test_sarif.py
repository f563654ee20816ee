"""SARIF: one result a bound, valid, and nothing that did not pass looks passed."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from attn_audit.formats import sarif
from attn_audit.results.report import Report
from attn_audit.results.verdict import MayShow, Verdict
from tests.formats.judging import answer, every_kind, hostile, hostile_verdict, judgement, verdict

SCHEMA = json.loads(
    (Path(__file__).parent / "schemas" / "sarif-2.1.0.json").read_text(encoding="utf-8")
)


def run_of(report: Report, judged: Verdict) -> dict[str, Any]:
    """The one run of the log."""
    log = json.loads(sarif.render(report, judged))
    assert len(log["runs"]) == 1
    run: dict[str, Any] = log["runs"][0]
    return run


@pytest.mark.parametrize("judged", [every_kind(), verdict(), hostile_verdict()])
def test_follows_the_schema(report: Report, judged: Verdict) -> None:
    validator = jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
    validator.validate(json.loads(sarif.render(report, judged)))
    validator.validate(json.loads(sarif.render(hostile(report), judged)))


def test_every_bound_is_a_result(report: Report) -> None:
    results = run_of(report, every_kind())["results"]
    assert [(r["kind"], r["level"], "suppressions" in r) for r in results] == [
        ("pass", "none", False),
        ("pass", "none", False),
        ("fail", "error", False),
        ("fail", "error", False),
        ("fail", "error", False),
        ("fail", "warning", False),
        ("fail", "warning", False),
        ("fail", "error", True),
    ]


def test_a_result_tells_failed_and_inconclusive_apart(report: Report) -> None:
    failed, inconclusive = run_of(report, every_kind())["results"][2:4]
    assert failed["message"]["text"].startswith(
        "permutation.moved failed: 0.38 [0.35, 0.40], asked for at least 0.5. "
    )
    assert " inconclusive: " in inconclusive["message"]["text"]
    assert [r["properties"]["outcome"] for r in (failed, inconclusive)] == ["fail", "inconclusive"]


def test_a_waiver_suppresses_for_its_reason(report: Report) -> None:
    assert run_of(report, every_kind())["results"][-1]["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "known (until 2027-06-30)"}
    ]


def test_results_point_at_their_rules_and_the_model(report: Report) -> None:
    run = run_of(report, every_kind())
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert run["artifacts"][place["index"]]["location"]["uri"] == place["uri"]
    assert rules[1]["help"]["text"] == "Outputs that shuffling moves by 0.1 or more."
    assert run["artifacts"][0]["location"]["uri"] == f"file://{report.model.source}"
    assert run["artifacts"][0]["hashes"] == {"sha-256": report.model.sha256}


def test_the_answer_is_a_property_of_the_run(report: Report) -> None:
    told = run_of(report, verdict(of=answer(MayShow.UNKNOWN)))["properties"]
    assert told["verdict"] == "unknown"
    assert told["answer"] == "Cannot be told. Words decide 8.0% of the texts."
    assert not {"verdict", "answer"} & run_of(report, verdict())["properties"].keys()


def test_two_bounds_of_one_metric_share_a_rule_and_keep_apart(report: Report) -> None:
    run = run_of(report, verdict(judgement(), judgement(direction="max", limit=0.9)))
    assert len(run["tool"]["driver"]["rules"]) == 1
    prints = {r["partialFingerprints"]["primaryLocationLineHash"] for r in run["results"]}
    assert len(prints) == 2


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("/models/my model.pt", "file:///models/my%20model.pt"),
        ("org/name", "org/name"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("naïve\udc80", "na%C3%AFve%5Cudc80"),
    ],
)
def test_a_path_is_a_reference_whatever_stands_in_it(report: Report, source: str, uri: str) -> None:
    model = report.model.model_copy(update={"source": source})
    run = run_of(report.model_copy(update={"model": model}), verdict())
    assert run["artifacts"][0]["location"]["uri"] == uri


def test_a_model_in_memory_has_no_hash(report: Report) -> None:
    model = report.model.model_copy(update={"sha256": None})
    run = run_of(report.model_copy(update={"model": model}), verdict())
    assert "hashes" not in run["artifacts"][0]


def test_someone_elses_text_is_neither_link_nor_placeholder(report: Report) -> None:
    text = sarif.render(hostile(report), hostile_verdict())
    assert not set(text) & set("\x1b\x7f\x9b\u202e")
    for result in json.loads(text)["runs"][0]["results"]:
        message = result["message"]["text"]
        assert "](" not in message
        assert "{0}" not in message.replace("{{", "").replace("}}", "")
