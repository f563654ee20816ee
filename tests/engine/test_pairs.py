"""Pairs of texts, from the data to the page: which of them is audited, and what is shown of it."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

import attn_audit
from attn_audit.errors import BadRowError, ComparisonRefusedError, ConfigurationError
from attn_audit.formats import html
from attn_audit.formats.documents.explanation import document as explained
from attn_audit.formats.documents.report import audited as facts_of
from attn_audit.formats.documents.report import document
from attn_audit.formats.markdown import render as as_markdown
from tests.checkpoints import SENTENCES
from tests.conftest import Checkpoint

ROWS: list[dict[str, Any]] = [
    {
        "id": f"p{i}",
        "text": SENTENCES[i],
        "text_pair": SENTENCES[i + 10],
        "label": i % 2,
        "rationale": [[0, len(SENTENCES[i].split()[0])]],
        "rationale_pair": [[0, len(SENTENCES[i + 10])]],
    }
    for i in range(6)
]
SETTINGS: dict[str, Any] = {
    "unit": "word",
    "permutations": 5,
    "checks": ["permutation", "plausibility"],
    "reproducible": True,
}


QUICK: dict[str, Any] = {"unit": "word", "permutations": 5, "iterations": 5, "restarts": 1}

Audited = Callable[[str], attn_audit.Report]


@pytest.fixture(scope="module")
def audit(checkpoint: Checkpoint) -> Audited:
    """What is found of one text, or of both; made once."""
    return cache(
        lambda audited: attn_audit.audit(checkpoint("bert"), ROWS, audited=audited, **SETTINGS)
    )


def n_words(row: dict[str, Any], field: str) -> int:
    return len(row[field].split())


def test_records_hold_the_units_of_both_texts_and_where_the_second_begins(audit: Audited) -> None:
    both = audit("both")
    for row, units, border in zip(
        ROWS, both.records["units"].to_pylist(), both.records["border"].to_pylist(), strict=True
    ):
        assert units == [*row["text"].split(), *row["text_pair"].split()]
        assert border == n_words(row, "text")
    second = audit("second")
    assert second.records["units"].to_pylist() == [row["text_pair"].split() for row in ROWS]
    assert second.records["border"].to_pylist() == [None] * len(ROWS)
    # The model is the same, whatever is looked at.
    assert second.records["probability"].to_pylist() == both.records["probability"].to_pylist()
    assert dict(facts_of(second))["Units"].startswith("words of the second text")
    assert dict(facts_of(both))["Units"].startswith("words of both texts")


@pytest.mark.parametrize("audited", ["first", "second", "both"])
def test_rationales_are_held_against_their_own_text(audited: str, audit: Audited) -> None:
    found = audit(audited)
    random = found.records["plausibility.random.auprc"].to_pylist()
    for row, value in zip(ROWS, random, strict=True):
        n_first, n_second = n_words(row, "text"), n_words(row, "text_pair")
        if audited == "second":  # all of it is marked
            assert value == pytest.approx(1.0)
            continue
        n, marked = (n_first, 1) if audited == "first" else (n_first + n_second, 1 + n_second)
        # The expected precision at each marked place of a random order.
        expected = sum((1 + (k - 1) * (marked - 1) / (n - 1)) / k for k in range(1, n + 1)) / n
        assert value == pytest.approx(expected)


def test_what_is_stored_is_found_again(checkpoint: Checkpoint, audit: Audited) -> None:
    assert attn_audit.verify(audit("both"), checkpoint("bert"), ROWS).holds


def test_first_is_what_is_audited_by_itself(checkpoint: Checkpoint, audit: Audited) -> None:
    said = audit("first")
    left_out = attn_audit.audit(checkpoint("bert"), ROWS, **SETTINGS)
    assert said.settings.audited is None
    assert said.records.equals(left_out.records)
    with pytest.raises(ComparisonRefusedError, match="audited"):
        attn_audit.compare(said, audit("second"))


def test_a_border_is_shown_between_two_texts(checkpoint: Checkpoint, audit: Audited) -> None:
    page = html.render(document(audit("both")))
    for row in ROWS:
        assert f'"border":{n_words(row, "text")}' in page
    shown = " \\| ".join((SENTENCES[0], SENTENCES[10]))
    found = attn_audit.explain(
        checkpoint("bert"), SENTENCES[0], SENTENCES[10], audited="both", **QUICK
    )
    said = as_markdown(explained(found)).replace("**", "").replace("−", "")
    assert shown in said
    assert '<span class="border">|</span>' in html.render(explained(found))
    assert "words of both texts" in said
    second = as_markdown(
        explained(
            attn_audit.explain(
                checkpoint("bert"), SENTENCES[0], SENTENCES[10], audited="second", **QUICK
            )
        )
    )
    assert f"| Beside it | {SENTENCES[0]} |" in second
    assert "words of the second text" in second


def test_marks_of_a_text_that_is_not_audited_are_not_read(checkpoint: Checkpoint) -> None:
    wrong = [{**row, "rationale_pair": [[0, 500]]} for row in ROWS]
    attn_audit.audit(checkpoint("bert"), wrong, **SETTINGS)
    with pytest.raises(BadRowError, match="'rationale_pair' of example 'p0' holds"):
        attn_audit.audit(checkpoint("bert"), wrong, audited="second", **SETTINGS)


def test_what_attends_to_the_first_text_alone_says_so() -> None:
    with pytest.raises(ConfigurationError, match="attends to the first text alone"):
        attn_audit.audit("demo", "demo", audited="second")


def test_scores_of_one_text_are_not_held_against_two(checkpoint: Checkpoint) -> None:
    rows = [{**row, "score": [0.0] * n_words(row, "text_pair")} for row in ROWS]
    with pytest.raises(ConfigurationError, match="audited both is of two"):
        attn_audit.audit(checkpoint("bert"), rows, audited="both", shown="score", **SETTINGS)
    found = attn_audit.audit(checkpoint("bert"), rows, audited="second", shown="score", **SETTINGS)
    assert found.settings.shown == ("score",)
