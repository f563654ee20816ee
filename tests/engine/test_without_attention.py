"""Audits of what has no attention: what is run, what is answered, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_audit
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.findings import registry
from tests.models.test_black_box import both
from tests.tiny import tiny_examples

SIGNS = {f"w{i}": (-1.0) ** i * (i % 5) for i in range(4, 40)}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    with registry.added():
        registry.add_shown(["product"])
        yield


def predict(texts: list[str]) -> np.ndarray:
    odds = np.array([0.1 + sum(SIGNS.get(word, 0.0) for word in text.split()) for text in texts])
    p = 1 / (1 + np.exp(-odds / 8))
    return np.stack([1 - p, p], axis=1)


def rows() -> list[dict[str, Any]]:
    found = []
    for example in tiny_examples(90, lengths=(3, 4)):
        words = example.text.split()
        odds = 0.1 + sum(SIGNS[word] for word in words)
        effects = [SIGNS[word] * (1 if odds > 0 else -1) for word in words]
        marked = [[0, len(words[0])]]
        found.append(
            {"id": example.id, "text": example.text, "product": effects, "rationale": marked}
        )
    return found


@pytest.fixture(scope="module")
def report() -> attn_audit.Report:
    with registry.added():
        return attn_audit.audit(
            predict=predict, labels=["no", "yes"], data=rows(), shown="product", checks="all"
        )


def test_the_checks_that_need_attention_are_not_run(report: attn_audit.Report) -> None:
    assert report.settings.checks == ("erasure", "plausibility")
    assert (report.settings.layer, report.layers) == (None, None)
    assert report.settings.unit == "word"


def test_the_answer_says_so_and_what_to_show_instead(report: attn_audit.Report) -> None:
    assert report.answer is not None
    assert report.answer.verdict.value == "unknown"
    assert report.answer.sentence == (
        "There is no attention to show, as far as can be seen: `predict` gives probabilities and "
        "nothing else."
    )
    assert report.answer.show_instead == "shown.product"
    assert "more than taking away words at random does" in report.answer.instead
    assert attn_audit.judge(report).outcome.value == "inconclusive"


def test_measures_are_held_against_random_order_alone(report: attn_audit.Report) -> None:
    found = report.recommendation
    assert found is not None
    assert found.attention is None
    assert {each.measure for each in found.candidates} == {"leave_one_out", "shown.product"}
    assert all(each.over_attention is None for each in found.candidates)
    assert all(each.passed and each.over_random.own > 0 for each in found.candidates)


def test_the_scores_of_an_additive_model_are_near_the_best_order(
    report: attn_audit.Report,
) -> None:
    assert report["erasure.shown.product.score"].value == pytest.approx(1, abs=0.03)
    assert report["erasure.leave_one_out.score"].value == pytest.approx(1, abs=0.03)


def test_nothing_is_said_of_attention_in_records(report: attn_audit.Report) -> None:
    records = report.records
    assert records["attention"].null_count == records["max_attention"].null_count == 90
    assert records["erasure.attention"].null_count == 90
    assert set(records["erasure.status"].to_pylist()) == {"measured"}
    assert set(records["plausibility.status"].to_pylist()) == {"measured"}


@pytest.mark.parametrize("suffix", ["json", "html", "md", "txt", "csv"])
def test_it_is_written_in_every_format(
    report: attn_audit.Report, tmp_path: Path, suffix: str
) -> None:
    report.save(tmp_path / f"report.{suffix}")
    if suffix == "json":
        read = attn_audit.load_report(tmp_path / "report.json")
        assert read.metrics == report.metrics
        assert read.model == report.model
    elif suffix in ("md", "txt"):
        text = " ".join((tmp_path / f"report.{suffix}").read_text().split())
        assert "Not to be run where no attention is seen" in text
        assert "Of 90 examples: 90 drawn at random. A page shows them" in text


def test_it_holds_when_it_is_verified_and_compared(report: attn_audit.Report) -> None:
    again = attn_audit.wrap_predict(predict, ["no", "yes"])
    assert attn_audit.verify(report, again, rows()).holds
    assert attn_audit.compare(report, report).n_pairs == 90


def test_without_a_choice_of_checks_erasure_is_run() -> None:
    report = attn_audit.audit(
        predict=both, labels=["no", "yes"], data=["a fine film", "dull and bad"]
    )
    assert report.settings.checks == ("erasure",)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"checks": "permutation"}, "permutation: it takes attention, and none is seen"),
        ({"layer": 0}, "layer names attention, and none is seen"),
    ],
)
def test_what_is_asked_of_attention_is_refused(options: Any, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match=problem) as refused:
        attn_audit.audit(predict=both, labels=["no", "yes"], data=["a fine film"], **options)
    assert "attn-audit recommend" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"predict": both}, "labels: predict takes their names"),
        ({}, "model: nothing to audit"),
        ({"model": "demo", "labels": ["a", "b"]}, "labels: only predict takes them"),
        ({"model": "demo", "predict": both}, "predict: there is a model already"),
        ({"predict": both, "labels": ["a", "b"], "data": None}, "data: nothing to audit"),
        ({"predict": both, "labels": ["a", "b"], "measures": "rollout"}, "does not apply"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        attn_audit.audit(**{"data": ["a fine film"], "checks": "erasure", **arguments})
