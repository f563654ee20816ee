"""`--explain-label each`: the answer for every label, beside the report of the prediction."""

from functools import cache
from pathlib import Path

import pytest

from attn_audit import Report, audit, explain, plan, verify
from attn_audit.engine.labels import LABELS, MOST_LABELS
from attn_audit.engine.report import report_of_run
from attn_audit.errors import ConfigurationError
from attn_audit.formats.documents.report import document
from attn_audit.formats.html import render as page
from attn_audit.formats.markdown import render
from attn_audit.models.contract import AuditedModel
from attn_audit.models.task import TaskKind
from tests.rows import RowsModel, texts
from tests.tiny import tiny_model

DATA = texts(6, 7, 8, 9, 6, 7, 8, 5)
FAST = {"checks": "correlation,attended,permutation", "permutations": 5}
"""Settings with which an audit takes a moment."""


def of_each(model: AuditedModel, **options: object) -> Report:
    return audit(model, DATA, explain_label="each", **FAST, **options)  # type: ignore[arg-type]


@cache
def made() -> Report:
    return of_each(RowsModel(kind=TaskKind.MULTILABEL))


@pytest.mark.parametrize(
    "model",
    [RowsModel(kind=TaskKind.MULTILABEL), tiny_model(kind=TaskKind.MULTICLASS, n_labels=3)],
    ids=["multilabel, two layers", "multiclass"],
)
def test_the_answers_are_those_of_an_audit_for_each_name(model: AuditedModel) -> None:
    found = of_each(model)
    assert tuple(each.label for each in found.labels) == model.task.labels
    for each in found.labels:
        alone = audit(model, DATA, explain_label=each.label, **FAST)  # type: ignore[arg-type]
        assert each.answer == alone.answer
    assert len({each.answer.sentence for each in found.labels}) > 1


def test_the_report_of_the_prediction_stays_as_it_is() -> None:
    plain = audit(RowsModel(kind=TaskKind.MULTILABEL), DATA, **FAST)  # type: ignore[arg-type]
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
    name = str(tmp_path / "run")
    found = of_each(RowsModel(kind=TaskKind.MULTILABEL), run_dir=name)
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
    found = verify(of_each(model), model, DATA)
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
