"""JUnit XML: one test case a bound, valid, and nothing that did not pass looks passed."""

from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
import xmlschema

from attn_audit.formats import junit
from attn_audit.results.report import Report
from attn_audit.results.verdict import MayShow, Verdict
from tests.formats.judging import HOSTILE, answer, every_kind, hostile, hostile_verdict, verdict


@pytest.fixture(scope="session")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(Path(__file__).parent / "schemas" / "junit-10.xsd")


def parsed(text: str) -> Element:
    return fromstring(text.encode("utf-8"))


def outcomes(text: str) -> dict[str, str]:
    """What CI sees of every test case, by its name."""
    return {
        case.get("name", ""): next((part.tag for part in case if part.tag != "system-out"), "")
        for case in parsed(text).iter("testcase")
    }


@pytest.mark.parametrize("judged", [every_kind(), verdict(), hostile_verdict()])
def test_follows_the_schema(report: Report, schema: xmlschema.XMLSchema, judged: Verdict) -> None:
    schema.validate(junit.render(report, judged))
    schema.validate(junit.render(hostile(report), judged))


def test_every_bound_is_a_test_case(report: Report) -> None:
    assert outcomes(junit.render(report, every_kind())) == {
        "min_examples at least 100": "",
        "correlation.gap.attention_gradient at most 0.15": "",
        "permutation.moved at least 0.5": "failure",
        "adversarial.max_jsd at least 0.5": "error",
        "correlation.attention_gradient at least 0.5": "error",
        "permutation.within_epsilon at least 0.5": "",
        "permutation.uniform.unchanged at least 0.5": "",
        "permutation.distance at least 0.5": "skipped",
    }


def test_counts_are_those_of_the_cases(report: Report) -> None:
    suites = parsed(junit.render(report, every_kind()))
    counts = {"tests": "8", "failures": "1", "errors": "2"}
    assert {key: suites.get(key) for key in counts} == counts
    assert {key: suites[0].get(key) for key in (*counts, "skipped")} == {**counts, "skipped": "1"}


def test_a_case_says_what_was_found_and_where_to_look(report: Report) -> None:
    suites = parsed(junit.render(report, every_kind()))
    failure = next(suites.iter("failure"))
    assert failure.get("message") == "0.38 [0.35, 0.40], asked for at least 0.5"
    assert "The histogram of the distances." in (failure.text or "")
    assert "Waived until 2027-06-30: known" in (next(suites.iter("skipped")).text or "")
    told = [part.text or "" for part in suites.iter("system-out")]
    assert sum(line.startswith("warning: ") for line in told) == 2


def test_cases_are_grouped_by_check(report: Report) -> None:
    cases = parsed(junit.render(report, every_kind())).iter("testcase")
    groups = [case.get("classname") for case in cases]
    assert groups[:3] == ["attn-audit.report", "attn-audit.correlation", "attn-audit.permutation"]


def test_says_what_was_judged_by_what(report: Report) -> None:
    suites = parsed(junit.render(report, every_kind()))
    told = {part.get("name"): part.get("value") for part in suites.iter("property")}
    assert told["model"] == report.model.source
    assert told["policy_sha256"] == "ab" * 32
    assert told["outcome"] == "fail"
    assert report.run is not None
    assert suites[0].get("timestamp") == report.run.started


def test_the_answer_is_the_first_property(report: Report) -> None:
    judged = verdict(policy="mine.toml", of=answer(MayShow.NO))
    first = next(parsed(junit.render(report, judged)).iter("property"))
    assert first.get("name") == "answer"
    assert first.get("value") == "No. Words decide 8.0% of the texts."
    assert '"answer"' not in junit.render(report, verdict())


def test_without_times_there_is_no_timestamp(only_correlation: Report) -> None:
    timeless = only_correlation.model_copy(update={"run": None})
    assert "timestamp" not in junit.render(timeless, verdict())


def test_someone_elses_text_is_text(report: Report) -> None:
    text = junit.render(hostile(report), hostile_verdict())
    assert not set(text) & set("\x1b\x7f\x9b\u202e\uffff")
    assert not list(parsed(text).iter("b"))
    assert HOSTILE not in text
