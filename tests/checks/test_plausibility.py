"""Plausibility: which units are marked, and what each ranking has in common with them."""

from dataclasses import replace

import numpy as np
import pytest

from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.checks.plausibility import Plausibility, marked_units
from attn_audit.data.example import Example
from attn_audit.data.spans import Scores
from attn_audit.findings.measure import GRADIENT
from attn_audit.findings.plausibility import ATTENTION, RANDOM, marking_of
from attn_audit.findings.registry import add_shown, added
from attn_audit.statistics.rankings import expected_agreement
from tests.tiny import tiny_examples, tiny_model

MEASURES = (GRADIENT.name,)


def audited(examples: list[Example], *, is_pair: bool = False) -> AuditedBatch:
    model = tiny_model(is_pair=is_pair)
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, 0)


def most_attended(examples: list[Example], *, is_pair: bool = False) -> list[Example]:
    """With the span of the unit that has most attention as the rationale."""
    found = audited(examples, is_pair=is_pair)
    tops = found.explanation.argmax(dim=1).tolist()
    units = [item.units[top] for item, top in zip(found.batch.encoded, tops, strict=True)]
    return [
        replace(example, rationale=((unit.start, unit.end),))
        for example, unit in zip(examples, units, strict=True)
    ]


@pytest.mark.parametrize("is_pair", [False, True])
def test_attention_agrees_with_people_who_mark_what_it_points_at(is_pair: bool) -> None:
    plain = tiny_examples(8, is_pair=is_pair, lengths=(4, 9))
    found = Plausibility(MEASURES).run(
        audited(most_attended(plain, is_pair=is_pair), is_pair=is_pair)
    )
    for name in ("auprc", "token_f1", "iou"):
        assert found[ATTENTION.fields[name].name] == [1.0] * 8
    lengths = [len(example.text.split()) for example in plain]
    expected = [expected_agreement(n, 1).auprc for n in lengths]
    assert found[RANDOM.fields["auprc"].name] == pytest.approx(expected)
    assert found["plausibility.status"] == ["measured"] * 8


def test_a_unit_is_marked_by_one_character() -> None:
    (example,) = tiny_examples(1, lengths=(4, 4))
    words = example.text.split()
    start = len(words[0]) + 1
    marked = replace(example, rationale=((start + 1, start + len(words[1]) + 2),))
    (item,) = tiny_model().encode([marked])
    assert marked_units(item).tolist() == [False, True, True, False]


def test_what_nobody_marked_and_single_units_are_counted() -> None:
    texts = tiny_examples(3, lengths=(4, 6))
    texts[0] = most_attended(texts[:1])[0]
    texts[2] = Example("alone", "w9", rationale=((0, 2),))
    found = Plausibility(MEASURES).run(audited(texts))
    assert found["plausibility.status"] == ["measured", "no_rationale", "untestable_single_unit"]
    assert found[ATTENTION.fields["iou"].name] == [1.0, None, None]


def test_without_any_rationale_no_measure_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = audited(tiny_examples(3, lengths=(4, 6)))
    monkeypatch.setattr(type(batch.importances), "scores", pytest.fail)
    found = Plausibility(MEASURES).run(batch)
    assert found == {"plausibility.status": ["no_rationale"] * 3}


def test_shown_scores_are_ranked_and_missing_ones_are_said() -> None:
    texts = [
        replace(e, rationale=((0, 2),), shown={"ours": Scores(None, (((0, 2), 1.0),))})
        for e in tiny_examples(2, lengths=(5, 6))
    ]
    texts[1] = replace(texts[1], shown={})
    with added():
        add_shown(["ours"])
        found = Plausibility(("shown.ours",)).run(audited(texts))
        assert found["plausibility.shown.ours.auprc"] == [1.0, None]
        assert found["plausibility.status"] == ["measured", "undefined_shown.ours"]


def test_the_gradient_ranks_what_speaks_most_for_the_prediction_first() -> None:
    texts = tiny_examples(6, lengths=(5, 8))
    found = audited(texts)
    signed = found.importances.gradients[..., 1].numpy()
    signed = np.where(found.batch.unit_mask.numpy(), signed, -np.inf)
    marked = []
    for text, item, top in zip(texts, found.batch.encoded, signed.argmax(axis=1), strict=True):
        unit = item.units[top]
        marked.append(replace(text, rationale=((unit.start, unit.end),)))
    measured = Plausibility(MEASURES).run(audited(marked))
    assert measured[marking_of(GRADIENT).fields["auprc"].name] == [1.0] * 6
