"""A label is explained instead of what is predicted, from the option to the records."""

import pytest
import torch

from attn_audit import audit, explain
from attn_audit.errors import ConfigurationError
from attn_audit.formats.documents.report import audited, document
from attn_audit.formats.markdown import render
from attn_audit.measures.gradient import gradients
from attn_audit.models.contract import AuditedModel
from attn_audit.models.task import TaskKind
from attn_audit.selftest import Vocabulary, build, hidden
from tests.rows import RowsModel, texts
from tests.tiny import tiny_model

FAST = {"permutations": 5, "iterations": 5, "restarts": 1}


def lost_by(label: str | None, model: AuditedModel) -> list[float]:
    """Of one text."""
    found = explain(model, "w3 w9 w14 w2 w7", explain_label=label, **FAST)  # type: ignore[arg-type]
    values: list[float] = found.record["margin_lost"]
    return values


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.MULTICLASS])
def test_what_speaks_for_one_of_two_labels_speaks_against_the_other(kind: TaskKind) -> None:
    model = tiny_model(kind=kind)
    first, second = (lost_by(label, model) for label in model.task.labels)
    assert first == pytest.approx([-value for value in second])
    assert lost_by(None, model) in (first, second)
    assert model.task.explained is None


def test_a_gradient_is_of_the_label() -> None:
    model = RowsModel(kind=TaskKind.MULTILABEL)
    batch = model.collate(model.encode(texts(5, 7)))
    parts = []
    for label in ("no", "yes"):
        model.task = type(model.task)(model.task.labels, explained=label)
        parts.append(gradients(model, batch))
    model.task = type(model.task)(model.task.labels)
    whole = gradients(model, batch)[..., 0]
    torch.testing.assert_close(parts[0][..., 0] + parts[1][..., 0], whole)
    for part in parts:
        torch.testing.assert_close(part[..., 1].abs(), part[..., 0])


def test_reports_say_it_and_hold_it() -> None:
    report = audit(RowsModel(), texts(6, 7), explain_label="no", checks="permutation")
    assert report.settings.explain_label == "no"
    assert "those of the label “no”, whatever is predicted" in dict(audited(report))["Target"]


def test_a_label_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="no label 'yess'") as raised:
        audit(RowsModel(), texts(6), explain_label="yess")
    assert "yes" in str(raised.value.hint)


def test_every_sentence_says_which_label_and_none_the_prediction() -> None:
    plain, named = (
        audit(RowsModel(), texts(*range(5, 15)), explain_label=label, permutations=5, iterations=5)
        for label in (None, "no")
    )
    assert plain.answer is not None
    assert named.answer is not None
    assert "“no”" not in plain.answer.sentence
    assert named.answer.sentence.count("the reason for the label “no”") == 1
    of_plain, of_named = (render(document(report)) for report in (plain, named))
    for side in ("for", "against"):
        assert f"speaks {side} the prediction" in of_plain or side == "for"
        assert f"speaks {side} the prediction" not in of_named
    assert "speaks against the label “no”" in of_named
    assert "own prediction" not in of_named
    assert "the reason for its predictions" not in of_named
    assert "Against “no”:" in of_named or "For “no”:" in of_named


def test_of_two_labels_the_same_words_decide_without_attention() -> None:
    rows = Vocabulary.of(2).texts(with_players=0.5)
    model = build(TaskKind.BINARY, 2, hidden, 1.0)
    plain, *named = (
        audit(model, rows, explain_label=label, checks="attended") for label in (None, "0", "1")
    )
    decided = plain["attended.unattended_decide"]
    assert decided.value > 0.1
    for report in named:
        assert report["attended.unattended_decide"] == decided
        assert report.unattended_units == plain.unattended_units
