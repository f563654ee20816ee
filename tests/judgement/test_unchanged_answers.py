"""What changes nothing about a model changes no answer, and no number that a rule reads."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attn_audit import CustomModel, Report, audit, demo
from attn_audit import selftest as models
from attn_audit.judgement.policy import load_policy
from attn_audit.models.loading import load_model
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.models.task import TaskKind
from attn_audit.results.verdict import Level
from attn_audit.selftest import Row, Vocabulary

READ = [bound.metric for bound in load_policy().bounds if bound.level is not Level.NOTE]
"""What decides an answer."""

ASKED: dict[str, Any] = {
    "checks": "correlation,attended,permutation",
    "measures": "leave_one_out",
    "permutations": 10,
}
"""What measures it."""

N_TEXTS = 110
"""Somewhat more than the least that the rules believe."""

FORMULAS = [models.faithful, models.hidden, models.skip, models.random]


def texts(n_topics: int = 2, *, has_several: bool = False) -> list[Row]:
    return Vocabulary.of(n_topics).texts(with_players=0.35, has_several=has_several)[:N_TEXTS]


@cache
def unchanged(formula: models.Formula) -> Report:
    """What changed models and texts are held against."""
    return audit(models.build(TaskKind.BINARY, 2, formula, 1.0), texts(), **ASKED)


def numbers(report: Report) -> dict[str, float]:
    return {metric: report[metric].value for metric in READ}


def require_same(found: Report, expected: Report) -> None:
    assert found.answer is not None
    assert expected.answer is not None
    assert found.answer.verdict == expected.answer.verdict
    assert found.answer.units == expected.answer.units
    assert numbers(found) == pytest.approx(numbers(expected), abs=2e-3)


@pytest.mark.parametrize(("formula", "factor"), [*zip(FORMULAS, (0.05, 20.0) * 2, strict=True)])
def test_logits_times_a_factor(formula: models.Formula, factor: float) -> None:
    plain = unchanged(formula)
    times = audit(models.build(TaskKind.BINARY, 2, formula, factor), texts(), **ASKED)
    require_same(times, plain)
    for column in ("attended.top_is_against", "attended.decider", "attended.n_unattended"):
        assert times.records[column].to_pylist() == plain.records[column].to_pylist()
    for column in ("attended.top_lost", "permutation.reach", "permutation.margin"):
        expected = pytest.approx(plain.records[column].to_pylist(), rel=1e-3, abs=1e-4)
        assert times.records[column].to_pylist() == expected


def test_a_trained_models_logits_times_a_factor() -> None:
    def times(factor: float) -> Report:
        model = load_model(str(demo.MODEL), torch.device("cpu"))
        assert isinstance(model, PaperModel)
        with torch.no_grad():
            for parameter in model.network.readout.output.parameters():
                parameter.mul_(factor)
        return audit(model, demo.DATA, **ASKED, limit=100)

    plain, *others = map(times, (1.0, 0.1, 10.0))
    for found in others:
        require_same(found, plain)
        assert found.answer is not None
        assert plain.answer is not None
        assert found.answer.because == plain.answer.because


class Reordered(nn.Module):
    """The same outputs in another order, or one output for the other of two labels."""

    def __init__(self, module: nn.Module, order: Sequence[int]):
        super().__init__()
        self.module, self.order = module, list(order)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.module(ids)
        return -logits if logits.shape[1] == 1 else logits[:, self.order]


@pytest.mark.parametrize(
    ("formula", "task", "order"),
    [
        (models.faithful, TaskKind.BINARY, (1, 0)),
        (models.hidden, TaskKind.MULTICLASS, (2, 0, 3, 1)),
        (models.hidden, TaskKind.MULTILABEL, (2, 0, 3, 1)),
    ],
)
def test_labels_in_another_order_and_under_other_names(
    formula: models.Formula, task: TaskKind, order: tuple[int, ...]
) -> None:
    n_topics = len(order)
    model = models.build(task, n_topics, formula, 1.0)
    renamed = [f"topic {label}" for label in model.labels]
    other: CustomModel = replace(
        model, module=Reordered(model.module, order), labels=[renamed[i] for i in order]
    )
    rows = texts(n_topics, has_several=task is TaskKind.MULTILABEL)
    under_other_names = [{**row, **renamed_in(row)} for row in rows]
    plain = unchanged(formula) if task is TaskKind.BINARY else audit(model, rows, **ASKED)
    require_same(audit(other, under_other_names, **ASKED), plain)


def renamed_in(row: Row) -> Row:
    """The label of a row, or its labels, under other names."""
    if "label" in row:
        return {"label": f"topic {row['label']}"}
    labels = row["labels"]
    assert isinstance(labels, list)
    return {"labels": [f"topic {label}" for label in labels]}


@pytest.mark.parametrize("formula", [models.faithful, models.hidden])
def test_every_text_said_twice(formula: models.Formula) -> None:
    doubled = [{**row, "text": f"{row['text']} {row['text']}"} for row in texts()]
    model = models.build(TaskKind.BINARY, 2, formula, 1.0)
    once, twice = unchanged(formula).answer, audit(model, doubled, **ASKED).answer
    assert once is not None
    assert twice is not None
    assert twice.verdict == once.verdict


def equal(x: models.WordFeatures) -> Tensor:
    return x.attend(torch.zeros_like(x.size), models.VALUE * x.value)


def test_permuting_equal_weights_moves_nothing() -> None:
    report = audit(models.build(TaskKind.BINARY, 2, equal, 1.0), texts(), **ASKED)
    assert report["permutation.margin"].value == pytest.approx(0, abs=1e-4)
    assert report["permutation.turned"].value == 0
    assert report["permutation.half_margin"].value == 0
    assert report.answer is not None
    assert report.answer.verdict != "yes"
