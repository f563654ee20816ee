"""What to show instead: where that alone was asked, its answer is the first thing that is said."""

import numpy as np
import pytest

from attn_audit.document import Conclusion
from attn_audit.findings.measure import (
    ATTENTION_GRADIENT,
    GRADIENT_X_INPUT,
    INTEGRATED_GRADIENTS,
    ROLLOUT,
)
from attn_audit.formats import html, markdown, terminal
from attn_audit.formats.documents.recommendation import QUESTION, conclusion
from attn_audit.formats.documents.report import document
from attn_audit.judgement.answer import answer_of
from attn_audit.judgement.recommendation import ErasureEffects, Orders
from attn_audit.results.report import Report
from tests.judgement.test_recommendation import N, erased, recommended

BEST = erased(0.5, 1)


def as_good_as_the_best(seed: int) -> ErasureEffects:
    values = BEST.own - 0.02 + 0.1 * np.random.default_rng(seed).standard_normal(N)
    return ErasureEffects(values, values)


def headline(*found: Orders, n: int = N) -> str:
    return conclusion(recommended(*found, n=n)).words.text


def test_what_may_be_shown_is_named_with_what_ties() -> None:
    alone = Orders(GRADIENT_X_INPUT, BEST, None)
    assert headline(alone) == "✓ Gradient x input"
    equal = Orders(ATTENTION_GRADIENT, as_good_as_the_best(2), None)
    said = {headline(alone, equal), headline(equal, alone)}
    assert said == {"✓ Gradient x input, which ties with attention x gradient"}
    cheaper = Orders(ROLLOUT, as_good_as_the_best(3), None)
    assert headline(alone, cheaper) == (
        "✓ Rollout, which ties with gradient x input and is the cheaper"
    )
    assert headline(alone, equal, cheaper) == (
        "✓ Rollout, which ties with gradient x input and attention x gradient and is the cheapest"
    )


def test_none_and_not_known_are_answers() -> None:
    worse = Orders(INTEGRATED_GRADIENTS, erased(0.1, 4), None)
    assert headline(worse) == "✗ None"
    few = conclusion(recommended(worse, n=60))
    assert few.text.startswith(
        "? Cannot be told. 30 texts set aside to judge, and 40 are the least"
    )


@pytest.fixture
def alone(report: Report) -> Report:
    """A report as `recommend` has it: of erasure alone."""
    settings = report.settings.model_copy(update={"checks": ("erasure",)})
    found = recommended(Orders(GRADIENT_X_INPUT, BEST, None))
    report = report.model_copy(update={"settings": settings, "recommendation": found})
    return report.model_copy(update={"answer": answer_of(report)})


def test_where_that_alone_was_asked_it_is_answered_first(alone: Report) -> None:
    made = document(alone)
    assert made.question == QUESTION
    assert isinstance(made.answer, Conclusion)
    assert made.answer.words.text == "✓ Gradient x input"
    assert "Whether attention itself may be shown was not asked" in made.answer.text
    assert "answer" not in {section.id for section in made.sections}
    for text in (terminal.render(made), markdown.render(made), html.render(made)):
        assert "Cannot be told" not in text
        assert "was not run (only" not in text


def test_beside_a_check_that_says_whether_attention_may_be_shown_that_comes_first(
    alone: Report,
) -> None:
    checks = ("attended", "erasure")
    settings = alone.settings.model_copy(update={"checks": checks})
    made = document(alone.model_copy(update={"settings": settings}))
    assert made.question.startswith("May its attention weights be shown")
    assert "answer" in {section.id for section in made.sections}
