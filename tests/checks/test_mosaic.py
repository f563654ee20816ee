"""Mosaics, against joining and weighing one text at a time, and by measures made for it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from attn_audit import audit
from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.checks.mosaic import N_PARTNERS, SURE, Mosaic, partners_of
from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError
from attn_audit.findings.example import STATUS_MEANINGS, Status
from attn_audit.findings.field import Field, Shape
from attn_audit.findings.measure import Measure
from attn_audit.findings.mosaic import ATTENTION, FINDINGS, LENGTH, focus_of
from attn_audit.findings.registry import added
from attn_audit.measures.base import Computation
from attn_audit.measures.registry import COMPUTATIONS
from attn_audit.models.contract import AuditedModel, Batch, EncodedExample
from attn_audit.models.task import TaskKind
from tests.tiny import tiny_examples, tiny_model

MODEL = tiny_model(scale=14.0, seed=2)
EXAMPLES = tiny_examples(24, lengths=(3, 9), seed=2)
PARTNERS = partners_of(EXAMPLES, 0)
EITHER = ("first", "second")


def batch_of(examples: Sequence[Example], model: AuditedModel = MODEL) -> AuditedBatch:
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, 0)


def sure_label(example: Example, model: AuditedModel = MODEL) -> str | None:
    read = batch_of([example], model)
    second = read.probabilities[0, 0].item()
    return None if max(second, 1 - second) < SURE else f"label{int(second >= 0.5)}"


def joined_one_at_a_time(example: Example) -> dict[str, float]:
    """What is found of a text by the definition alone."""
    own = sure_label(example)
    partner = next(p for p in PARTNERS[example.id] if {own, sure_label(p)} == {"label0", "label1"})
    found: dict[str, list[float]] = {}
    for first, second in ((example, partner), (partner, example)):
        read = batch_of([Example("joined", f"{first.text} {second.text}")])
        target = f"label{int(read.probabilities[0, 0] >= 0.5)}"
        attention = read.explanation[0].numpy()
        words_of_first = len(first.text.split())
        is_first = target == sure_label(first)
        own_part = slice(0, words_of_first) if is_first else slice(words_of_first, None)
        position = "first" if is_first else "second"
        length = len(attention[own_part]) / len(attention)
        for field, value in (
            (ATTENTION.fields[position], attention[own_part].sum()),
            (LENGTH[position], length),
        ):
            found.setdefault(field.name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def test_shares_are_those_of_texts_joined_one_at_a_time() -> None:
    columns = Mosaic((), partners=PARTNERS).run(batch_of(EXAMPLES))
    measured = [i for i, s in enumerate(columns["mosaic.status"]) if s == "measured"]
    assert len(measured) > 5
    names = [of[position].name for of in (ATTENTION.fields, LENGTH) for position in EITHER]
    seen = set()
    for i in measured:
        wanted = joined_one_at_a_time(EXAMPLES[i])
        for name in names:
            value = columns[name][i]
            assert value == (None if name not in wanted else pytest.approx(wanted[name], abs=1e-5))
            seen |= {name} if value is not None else set()
    assert seen == set(names)


def test_why_a_text_is_not_joined_is_counted() -> None:
    columns = Mosaic((), partners=PARTNERS).run(batch_of(EXAMPLES))
    for i, example in enumerate(EXAMPLES):
        label, others = sure_label(example), [sure_label(p) for p in PARTNERS[example.id]]
        status = columns["mosaic.status"][i]
        assert (status == "untestable_not_sure") == (label is None)
        has_other = any(o not in (None, label) for o in others)
        assert (status == "untestable_no_other_label") == (label is not None and not has_other)
        assert (columns["mosaic.partner"][i] is None) == (label is None or not has_other)
    few = {example.id: PARTNERS[example.id] for example in EXAMPLES[:3]}
    sampled = Mosaic((), partners=few).run(batch_of(EXAMPLES))
    assert sampled["mosaic.status"][3:] == ["not_sampled"] * (len(EXAMPLES) - 3)


def test_batches_have_no_part_in_it() -> None:
    check = Mosaic(("gradient_x_input",), partners=PARTNERS)
    whole = check.run(batch_of(EXAMPLES))
    for i, example in enumerate(EXAMPLES[:12]):
        for name, (value,) in check.run(batch_of([example])).items():
            is_number = isinstance(value, float)
            assert value == (
                pytest.approx(whole[name][i], abs=1e-3) if is_number else whole[name][i]
            )


def test_partners_are_drawn_by_seed_and_ids_whatever_the_order() -> None:
    again = partners_of(EXAMPLES[::-1], 0)
    assert again == PARTNERS
    assert partners_of(EXAMPLES, 1) != PARTNERS
    for id_, others in PARTNERS.items():
        ids = [other.id for other in others]
        assert len(set(ids)) == N_PARTNERS
        assert id_ not in ids
    alone = partners_of(EXAMPLES[:1], 0)
    assert list(alone.values()) == [()]
    assert len(partners_of(EXAMPLES[:3], 0)[EXAMPLES[0].id]) == 2


def made(name: str) -> Measure:
    field = Field[tuple[float, ...] | None](name, "A made one", shape=Shape.UNITS, null="no")
    return Measure(field, name, "", "", noise=0.0)


def scores_of_words(score: float) -> Computation:
    def scores(model: AuditedModel, batch: Batch) -> Tensor:
        return torch.where(batch.unit_mask, score, 0.0).double()

    return Computation(scores)


def test_what_scores_every_word_alike_lies_there_by_its_length_and_below_zero_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alike, against = made("alike"), made("against")
    monkeypatch.setitem(COMPUTATIONS, "alike", scores_of_words(2.0))
    monkeypatch.setitem(COMPUTATIONS, "against", scores_of_words(-2.0))
    with added(alike, against):
        columns = Mosaic(("alike", "against"), partners=PARTNERS).run(batch_of(EXAMPLES))
    for position in EITHER:
        lengths = columns[LENGTH[position].name]
        assert any(length is not None for length in lengths)
        assert columns[focus_of(alike).fields[position].name] == pytest.approx(lengths)
        assert focus_of(against).fields[position].name not in columns


def test_of_a_label_that_is_explained_the_text_is_the_one_of_that_label() -> None:
    columns = Mosaic((), label="label1", partners=PARTNERS).run(batch_of(EXAMPLES))
    first, second = (columns[LENGTH[position].name] for position in EITHER)
    measured = [i for i, s in enumerate(columns["mosaic.status"]) if s == "measured"]
    # Both ways round, so that the text of that label once stands in each place.
    assert measured
    for i in measured:
        assert first[i] is not None
        assert first[i] == pytest.approx(second[i])


def test_the_report_says_by_how_much_and_how_often_nowhere() -> None:
    report = audit(MODEL, EXAMPLES, checks="mosaic", measures="gradient_x_input")
    columns = Mosaic(("gradient_x_input",), partners=PARTNERS).run(batch_of(EXAMPLES))
    gaps = []
    for i in range(len(EXAMPLES)):
        own = [
            columns[ATTENTION.fields[p].name][i] - columns[LENGTH[p].name][i]
            for p in EITHER
            if columns[LENGTH[p].name][i] is not None
        ]
        gaps += [np.mean(own)] if own else []
    found = report[ATTENTION.gap]
    assert found.n == len(gaps)
    assert found.mean == pytest.approx(np.mean(gaps), abs=1e-3)
    assert report[ATTENTION.undefined].share == 0
    assert FINDINGS.verdict(report).startswith("Open: too few texts")
    assert report.answer is not None
    assert report.answer.verdict == "unknown"


def test_pairs_and_several_labels_are_refused_where_nothing_else_is_asked() -> None:
    several = tiny_model(kind=TaskKind.MULTILABEL, n_labels=3)
    with pytest.raises(ConfigurationError, match="none is joined"):
        audit(several, EXAMPLES, checks="mosaic")
    report = audit(several, EXAMPLES, checks="attended,mosaic")
    assert not report.has("mosaic")


def test_a_text_that_is_cut_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = MODEL.encode

    def cut(examples: Sequence[Example]) -> list[EncodedExample]:
        return [replace(item, truncated="+" in item.example.id) for item in encode(examples)]

    audited = batch_of(EXAMPLES)
    monkeypatch.setattr(MODEL, "encode", cut)
    columns = Mosaic((), partners=PARTNERS).run(audited)
    joined = [p is not None for p in columns["mosaic.partner"]]
    assert any(joined)
    assert [s == "undefined_label_of_neither" for s in columns["mosaic.status"]] == joined


def test_reasons_say_how_sure_and_of_how_many() -> None:
    assert f"less probable than {SURE:g}" in STATUS_MEANINGS[Status.NOT_SURE]
    assert f"none of {N_PARTNERS} other texts" in STATUS_MEANINGS[Status.NO_OTHER_LABEL]
