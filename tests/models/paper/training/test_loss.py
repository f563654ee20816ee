import math

import pytest
import torch

from attn_audit.models.paper.training.loss import loss_of
from attn_audit.models.task import Task, TaskKind

LABELS = ("a", "b", "c")


def gold_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[name in row for name in LABELS] for row in rows])


def test_both_labels_of_a_binary_task_count_the_same_in_total() -> None:
    gold = torch.tensor([[True, False]] * 3 + [[False, True]])
    loss = loss_of(Task(TaskKind.BINARY, ("no", "yes")), gold)
    undecided = torch.zeros(4, 1)
    assert loss(undecided[:3], gold[:3]).item() == pytest.approx(3 * math.log(2))
    assert loss(undecided[3:], gold[3:]).item() == pytest.approx(3 * math.log(2))


def test_several_labels_are_averaged_and_examples_summed() -> None:
    gold = gold_of("a", "abc")
    loss = loss_of(Task(TaskKind.MULTILABEL, LABELS), gold)
    assert loss(torch.zeros(2, 3), gold).item() == pytest.approx(2 * math.log(2))


def test_competing_labels_share_the_probability() -> None:
    gold = gold_of("b", "c")
    loss = loss_of(Task(TaskKind.MULTICLASS, LABELS), gold)
    assert loss(torch.zeros(2, 3), gold).item() == pytest.approx(2 * math.log(3))


def test_what_is_no_candidate_costs_nothing() -> None:
    gold = gold_of("b")
    loss = loss_of(Task(TaskKind.CANDIDATES, LABELS), gold)
    logits = torch.tensor([[0.0, 0.0, -torch.inf]])
    assert loss(logits, gold).item() == pytest.approx(math.log(2))
