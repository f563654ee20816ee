"""A label is explained instead of what is predicted, and every label beside it."""

from functools import cache
from pathlib import Path

import pytest
import torch

from attn_audit import Report, audit, explain, plan, verify
from attn_audit.engine.audit import LABELS, MOST_LABELS
from attn_audit.engine.report import report_of_run
from attn_audit.errors import ConfigurationError
from attn_audit.formats.documents.report import audited, document
from attn_audit.formats.html import render as page
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
    rows = Vocabulary.of(2).texts(with_players=0.5)[:50]
    model = build(TaskKind.BINARY, 2, hidden, 1.0)
    plain, *named = (
        audit(model, rows, explain_label=label, checks="attended") for label in (None, "0", "1")
    )
    decided = plain["attended.unattended_decide"]
    assert decided.value > 0.1
    for report in named:
        assert report["attended.unattended_decide"] == decided
        assert report.unattended_units == plain.unattended_units


DATA = texts(6, 7, 8, 9, 6, 7, 8, 5)
OPTIONS = {"checks": "correlation,attended,permutation", "permutations": 5}
"""Settings with which an audit takes a moment."""


def of_each(model: AuditedModel, **options: object) -> Report:
    return audit(model, DATA, explain_label="each", **OPTIONS, **options)  # type: ignore[arg-type]


@cache
def made() -> Report:
    return of_each(RowsModel(kind=TaskKind.MULTILABEL))


@pytest.mark.parametrize(
    "model",
    [RowsModel(kind=TaskKind.MULTILABEL), tiny_model(kind=TaskKind.MULTICLASS, n_labels=3)],
    ids=["multilabel, two layers", "multiclass"],
)
def test_the_answers_are_those_of_an_audit_for_each_name(model: AuditedModel) -> None:
    found = made() if isinstance(model, RowsModel) else of_each(model)
    assert tuple(each.label for each in found.labels) == model.task.labels
    for each in found.labels:
        alone = audit(model, DATA, explain_label=each.label, **OPTIONS)  # type: ignore[arg-type]
        assert each.answer == alone.answer
    assert len({each.answer.sentence for each in found.labels}) > 1


def test_the_report_of_the_prediction_stays_as_it_is() -> None:
    plain = audit(RowsModel(kind=TaskKind.MULTILABEL), DATA, **OPTIONS)  # type: ignore[arg-type]
    found = made()
    assert (found.metrics, found.answer) == (plain.metrics, plain.answer)
    assert found.settings == plain.settings
    assert plain.labels == ()


@pytest.mark.parametrize("show", [render, page], ids=["Markdown", "page"])
def test_every_format_has_a_line_and_a_sentence_for_each_label(show: object) -> None:
    shown = show(document(made()))  # type: ignore[operator]
    assert "Each label" in shown
    for label in ("no", "yes"):
        assert f"the label “{label}”" in shown


def test_answers_are_kept_in_the_run_directory(tmp_path: Path) -> None:
    name, found = str(tmp_path / "run"), made()
    of_each(RowsModel(kind=TaskKind.MULTILABEL), run_dir=name)
    assert report_of_run(name, None, None).labels == found.labels
    for path in (tmp_path / "run/labels/001/records").iterdir():
        path.unlink()
    (tmp_path / "run/labels/001/complete").unlink()
    again = of_each(RowsModel(kind=TaskKind.MULTILABEL), run_dir=name, resume=True)
    assert again.labels == found.labels


def test_the_plan_says_what_it_costs() -> None:
    model = tiny_model(kind=TaskKind.MULTICLASS, n_labels=3)
    options = {"checks": "correlation,permutation,adversarial", "permutations": 5}
    one = plan(model, DATA, **options)  # type: ignore[arg-type]
    each = plan(model, DATA, explain_label="each", **options)  # type: ignore[arg-type]
    again = [stage.passes or 0 for stage in one.stages if stage.name != "adversarial"]
    (found,) = (stage for stage in each.stages if stage.name == LABELS)
    assert found.passes == 3 * sum(again)
    assert each.seconds == pytest.approx(sum(stage.seconds for stage in each.stages))


def test_a_verification_says_that_it_did_not_check_them() -> None:
    model = RowsModel(kind=TaskKind.MULTILABEL)
    found = verify(made(), model, DATA)
    assert found.holds
    assert any("no records hold the answers for each label" in note for note in found.notes)


def with_labels(n: int) -> AuditedModel:
    return tiny_model(kind=TaskKind.MULTICLASS, n_labels=n)


@pytest.mark.parametrize(
    ("model", "checks", "problem"),
    [
        (RowsModel(), "permutation", "all names are the same question"),
        (with_labels(2), "permutation", "all names are the same question"),
        (with_labels(MOST_LABELS + 1), "permutation", f"{MOST_LABELS} is the most"),
        (with_labels(3), "adversarial", "no check that they read is run"),
    ],
)
def test_what_has_no_answer_for_each_is_refused(
    model: AuditedModel, checks: str, problem: str
) -> None:
    for use in (audit, plan):
        with pytest.raises(ConfigurationError, match=problem) as raised:
            use(model, DATA, explain_label="each", checks=checks)
        assert raised.value.hint


def test_one_text_is_explained_for_one_label() -> None:
    with pytest.raises(ConfigurationError, match="one text is explained for one label"):
        explain(with_labels(3), "w3 w9 w14", explain_label="each")
