"""The margin, against one text and one label at a time, and what it may not depend on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from attn_audit.models.margin import LOGIT_NOISE, Margin
from attn_audit.models.task import TASKS, Task, TaskKind

N_TEXTS, N_VARIANTS = 6, 5


def task_of(kind: TaskKind, n_labels: int = 4) -> Task:
    return TASKS[kind](tuple(f"label{i}" for i in range(2 if kind == "binary" else n_labels)))


def drawn(task: Task, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(N_TEXTS, 1 + N_VARIANTS, task.n_logits, generator=generator) * 3
    return logits[:, 0], logits[:, 1:]


def by_hand(task: Task, own: list[float], other: list[float]) -> tuple[float, float, float]:
    """Lost, moved and turned, of one text and one variant."""
    if task.is_softmax:
        first, second, *_ = sorted(range(len(own)), key=lambda i: -own[i])
        whole, rest = own[first] - own[second], other[first] - other[second]
        lost = (whole - rest) / whole
        return lost, abs(lost), float(other[first] < max(other))
    on = [i for i, z in enumerate(own) if z >= 0]
    audited = on or [max(range(len(own)), key=lambda i: own[i])]
    sign = 1 if on else -1
    parts = [(sign * own[i] - sign * other[i]) / (sign * own[i]) for i in audited]
    turned = [sign * other[i] < 0 for i in audited]
    return (
        sum(parts) / len(parts),
        sum(map(abs, parts)) / len(parts),
        sum(turned) / len(turned),
    )


@pytest.mark.parametrize("kind", TaskKind)
def test_it_is_what_is_counted_by_hand(kind: TaskKind) -> None:
    task = task_of(kind)
    own, variants = drawn(task)
    margin = Margin.of(task, own)
    found = torch.stack(
        [margin.lost(variants), margin.moved(variants), margin.turned(variants)], dim=2
    )
    for i in range(N_TEXTS):
        for v in range(N_VARIANTS):
            expected = by_hand(task, own[i].tolist(), variants[i, v].tolist())
            assert found[i, v].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", TaskKind)
@given(scale=st.sampled_from([0.01, 0.1, 0.3, 3.0, 10.0, 100.0]), seed=st.integers(0, 100))
def test_a_factor_on_all_logits_changes_nothing(kind: TaskKind, scale: float, seed: int) -> None:
    task = task_of(kind)
    own, variants = drawn(task, seed)
    one, other = Margin.of(task, own), Margin.of(task, own * scale)
    torch.testing.assert_close(
        other.lost(variants * scale), one.lost(variants), rtol=1e-4, atol=1e-4
    )
    assert torch.equal(other.turned(variants * scale), one.turned(variants))


@pytest.mark.parametrize("kind", [TaskKind.MULTICLASS, TaskKind.MULTILABEL])
@given(order=st.permutations(range(4)), seed=st.integers(0, 100))
def test_the_order_of_labels_changes_nothing(kind: TaskKind, order: list[int], seed: int) -> None:
    task = task_of(kind)
    own, variants = drawn(task, seed)
    one, other = Margin.of(task, own), Margin.of(task, own[:, order])
    torch.testing.assert_close(other.lost(variants[..., order]), one.lost(variants))
    assert torch.equal(other.turned(variants[..., order]), one.turned(variants))


def test_two_classes_that_compete_have_the_margin_of_one_sigmoid() -> None:
    own, variants = drawn(task_of(TaskKind.BINARY))
    binary = Margin.of(task_of(TaskKind.BINARY), own)
    zero, zeros = torch.zeros_like(own), torch.zeros_like(variants)
    softmax = Margin.of(task_of(TaskKind.MULTICLASS, 2), torch.cat([zero, own], 1))
    torch.testing.assert_close(softmax.lost(torch.cat([zeros, variants], 2)), binary.lost(variants))


def test_labels_that_gain_and_lose_do_not_cancel() -> None:
    own, other = torch.tensor([[2.0, 2.0, -1.0]]), torch.tensor([[[1.0, 3.0, 5.0]]])
    margin = Margin.of(task_of(TaskKind.MULTILABEL, 3), own)
    assert float(margin.lost(other)) == 0
    assert float(margin.moved(other)) == 0.5


def test_what_speaks_against_some_labels_does_so_for_their_share() -> None:
    own = torch.tensor([[2.0, 2.0, 2.0, -1.0]])
    margin = Margin.of(task_of(TaskKind.MULTILABEL), own)
    other = torch.tensor(
        [[[0.5, 2.5, 2.0 + 1e-7, 9.0], [2.5, 2.5, 2.5, 0.0], [1.0, 1.0, 1.0, 0.0]]]
    )
    torch.testing.assert_close(margin.raised(other)[0].tolist(), [1 / 3, 1.0, 0.0])


def test_where_no_label_is_on_the_likeliest_is_audited() -> None:
    own = torch.tensor([[-3.0, -1.0, -2.0]])
    margin = Margin.of(task_of(TaskKind.MULTILABEL, 3), own)
    assert float(margin.lost(torch.tensor([[[9.0, -0.5, 9.0]]]))) == 0.5
    assert float(margin.turned(torch.tensor([[[9.0, 0.5, 9.0]]]))) == 1


def test_a_third_label_may_turn_the_decision_while_the_margin_grows() -> None:
    margin = Margin.of(task_of(TaskKind.MULTICLASS, 3), torch.tensor([[3.0, 2.0, 0.0]]))
    other = torch.tensor([[[3.0, 1.0, 4.0]]])
    assert float(margin.lost(other)) == -1
    assert float(margin.turned(other)) == 1


@pytest.mark.parametrize("own", [3.0, -3.0])
@pytest.mark.parametrize(("left", "is_gone"), [(0.0, True), (1e-7, True), (0.1, False)])
def test_a_decision_is_gone_where_no_more_than_rounding_is_left(
    own: float, left: float, is_gone: bool
) -> None:
    margin = Margin.of(task_of(TaskKind.BINARY), torch.tensor([[own]]))
    undecided = margin.undecided_labels(torch.tensor([[[math.copysign(left, own)]]]))
    assert undecided.item() == is_gone


@pytest.mark.parametrize(
    "logits", [[0.0, 0.0], [1e6, 1e6 * (1 + LOGIT_NOISE / 2)], [1.0, -math.inf]]
)
def test_where_nothing_is_decided_there_is_no_margin(logits: list[float]) -> None:
    margin = Margin.of(task_of(TaskKind.MULTICLASS, 2), torch.tensor([logits], dtype=torch.float64))
    assert math.isnan(float(margin.lost(torch.tensor([[[1.0, 0.0]]]))))


@pytest.mark.parametrize(("difference", "is_told"), [(0.9e-6, False), (1.1e-6, True)])
def test_a_margin_is_told_from_rounding_from_a_millionth_on(
    difference: float, is_told: bool
) -> None:
    own = torch.tensor([[1.0, 1 - difference]], dtype=torch.float64)
    margin = Margin.of(task_of(TaskKind.MULTICLASS, 2), own)
    assert bool(margin.whole.isnan().all()) != is_told


def test_half_precision_decides_less() -> None:
    own = torch.tensor([[1.0, 1.001]])
    task = task_of(TaskKind.MULTICLASS, 2)
    assert not Margin.of(task, own).whole.isnan().any()
    assert Margin.of(task, own, coarseness=8192.0).whole.isnan().all()


@given(arrays(np.float64, (3, 5), elements=st.floats(-9, 9)))
def test_the_signs_of_a_gradient_sum_to_one_or_less(values: np.ndarray) -> None:
    signs = Margin.of(task_of(TaskKind.MULTILABEL, 5), torch.from_numpy(values)).signs(5)
    torch.testing.assert_close(signs.abs().sum(1), torch.ones(3, dtype=torch.float64))


def effect_on(task: Task, label: int, own: list[float], other: list[float]) -> tuple[float, bool]:
    """How far other logits take a label back, as a share of its margin, and whether it turns."""
    if task.is_softmax:
        rest = max((i for i in range(len(own)) if i != label), key=lambda i: own[i])
        before, after = own[label] - own[rest], other[label] - other[rest]
        was, now = (max(range(len(z)), key=z.__getitem__) == label for z in (own, other))
    else:
        sign = -1 if task.n_logits == 1 and label == 0 else 1
        index = 0 if task.n_logits == 1 else label
        before, after = sign * own[index], sign * other[index]
        was, now = before > 0, after > 0
    return (before - after) / abs(before), was != now


@pytest.mark.parametrize("kind", TaskKind)
@given(label=st.integers(0, 3), seed=st.integers(0, 30))
def test_a_label_is_explained_whatever_is_predicted(kind: TaskKind, label: int, seed: int) -> None:
    task = task_of(kind)
    label = label % len(task.labels)
    own, variants = drawn(task, seed)
    margin = Margin.of(replace(task, explained=task.labels[label]), own)
    lost, turned = margin.lost(variants), margin.turned(variants)
    for i in range(N_TEXTS):
        for v in range(N_VARIANTS):
            expected = effect_on(task, label, own[i].tolist(), variants[i, v].tolist())
            assert float(lost[i, v]) == pytest.approx(expected[0], rel=1e-4, abs=1e-6)
            assert bool(turned[i, v]) == expected[1]


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.MULTICLASS])
def test_to_explain_the_label_that_is_predicted_changes_nothing(kind: TaskKind) -> None:
    task = task_of(kind)
    own, variants = drawn(task)
    predicted = task.predictions(task.probabilities(own))
    for i, label in enumerate(predicted):
        explained = replace(task, explained=str(label))
        one, same = (Margin.of(t, own[i : i + 1]) for t in (task, explained))
        for name in ("lost", "moved", "turned"):
            both = [getattr(margin, name)(variants[i : i + 1]) for margin in (one, same)]
            assert torch.equal(*both)


def test_a_label_that_an_example_does_not_allow_has_no_margin() -> None:
    task = replace(task_of(TaskKind.CANDIDATES), explained="label1")
    own = torch.tensor([[1.0, -math.inf, 0.5, -math.inf]])
    assert Margin.of(task, own).whole.isnan().all()
    scores, _ = task.scores(own.requires_grad_())
    (gradient,) = torch.autograd.grad(scores.sum(), own)
    assert torch.equal(gradient, torch.zeros(1, 4))


@pytest.mark.parametrize("kind", TaskKind)
def test_an_output_at_the_end_of_what_a_probability_tells_has_no_margin(kind: TaskKind) -> None:
    task, limits = task_of(kind), (-80.0, 80.0 if kind in ("multiclass", "candidates") else 16.0)
    inside = torch.zeros(1, task.n_logits, dtype=torch.float64)
    inside[0, -1] = 0.99 * limits[1]
    at_the_end = inside / 0.99
    found = [Margin.of(task, logits, limits=limits) for logits in (inside, at_the_end)]
    if kind is TaskKind.MULTILABEL:  # the others, which are undecided, have none either
        found = [Margin.of(task, logits - (logits == 0).double(), limits=limits)
                 for logits in (inside, at_the_end)]  # fmt: skip
    assert [bool(margin.is_clipped) for margin in found] == [False, True]
    assert [bool(margin.mean.isnan()) for margin in found] == [False, True]
    assert not bool(Margin.of(task, at_the_end).is_clipped)
