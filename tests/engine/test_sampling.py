"""Which texts erasure judges, and of which the best order is searched for."""

from typing import Any

import pytest

from attn_audit.checks.erasure.check import Erasure
from attn_audit.data.example import Example, sample_examples
from attn_audit.engine import sampling
from attn_audit.engine.inputs import AuditedData
from attn_audit.engine.sampling import checks_of, encoded_of
from attn_audit.models.contract import Encoded
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.settings import AuditSettings
from tests.tiny import tiny_examples, tiny_model

EXAMPLES = tiny_examples(60, lengths=(1, 34), seed=3)


def erasure_of(model: PaperModel, **settings: Any) -> Erasure:
    asked = AuditSettings(checks=("erasure",), **settings)
    data = AuditedData.of(asked, EXAMPLES).checked(model, asked)
    (check,) = checks_of(asked, model, data)
    assert isinstance(check, Erasure)
    return check


def test_the_sample_are_the_texts_of_the_smallest_hashes_of_those_that_are_audited() -> None:
    model = tiny_model()
    by_limit = sample_examples(EXAMPLES, 30, 7)
    check = erasure_of(model, erasure_sample=20, seed=7, limit=30)
    assert check.sample == frozenset(e.id for e in sample_examples(by_limit, 20, 7))
    assert erasure_of(model, erasure_sample=500).sample == frozenset(e.id for e in EXAMPLES)


def test_texts_too_long_for_all_subsets_and_short_enough_for_a_search_are_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model()
    long = {e.id for e in EXAMPLES if 10 < len(e.text.split()) <= 30}
    assert erasure_of(model).searched == long
    monkeypatch.setattr(sampling, "N_SEARCHED", 3)
    few = erasure_of(model).searched
    assert len(few) == 3
    assert few < long


def test_texts_that_the_model_does_not_take_are_none_of_the_sample_that_is_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, whole = tiny_model(), tiny_model().encode

    def encode(examples: list[Example]) -> list[Encoded]:
        if any(example.id == EXAMPLES[3].id for example in examples):
            raise ValueError("not this one")
        return whole(examples)

    monkeypatch.setattr(model, "encode", encode)
    found = encoded_of(model, EXAMPLES[:6])
    assert [item.example.id for item in found] == [e.id for e in (*EXAMPLES[:3], *EXAMPLES[4:6])]
