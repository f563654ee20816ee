"""The gradient adversary's loss and its hand-written gradient, against autograd."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from attn_audit.checks.adversarial.gradient import (
    LEARNING_RATE,
    PADDING_SCORE,
    PENALTY,
    Adam,
    BestIterate,
    Loss,
    Search,
    Step,
    gradient_adversary,
    linear_penalty,
    replayed_penalty,
    starting_scores,
)
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch, output_distances, read_batch
from attn_audit.distances import jensen_shannon_divergence
from attn_audit.models.capacity import Capacity
from attn_audit.models.contract import AuditedModel, Site
from attn_audit.models.task import TaskKind
from attn_audit.progress import following
from attn_audit.randomness import example_keys, normals
from tests.rows import RowsModel, Sight, texts
from tests.tiny import tiny_examples, tiny_model

EPSILON = 0.01
LINEAR_CASES: dict[str, dict[str, Any]] = {
    "binary": {"kind": TaskKind.BINARY},
    "two classes": {"kind": TaskKind.MULTICLASS},
    "three classes": {"kind": TaskKind.MULTICLASS, "n_labels": 3},
    "multilabel": {"kind": TaskKind.MULTILABEL, "n_labels": 3},
    "candidates": {"kind": TaskKind.CANDIDATES, "n_labels": 4},
}


@pytest.fixture(params=LINEAR_CASES)
def linear(request: pytest.FixtureRequest) -> AuditedBatch:
    model = tiny_model(**LINEAR_CASES[request.param])
    model.network.double()
    batch = model.collate(model.encode(tiny_examples(7, lengths=(3, 9))))
    return read_batch(model, batch, model.default_site, seed=0)


def along_rows(slope: Tensor, p: Tensor) -> Tensor:
    """What it is to a softmax: times the weights, less the part of each row's mean."""
    moved = slope * p.detach()
    return moved - p.detach() * moved.sum(dim=-1, keepdim=True)


@pytest.mark.parametrize("way", ["linear", "replayed"])
def test_distance_and_slope_are_autograds(linear: AuditedBatch, way: str) -> None:
    torch.manual_seed(0)
    scores = torch.randn(7, 5, 1, linear.attention.shape[-1], dtype=torch.float64)
    p = scores.masked_fill(~linear.admissible.unsqueeze(1), -60).softmax(dim=-1).requires_grad_()
    distance = output_distances(linear, p)
    excess = (distance - EPSILON).relu().sum() * PENALTY / 5
    (slope,) = torch.autograd.grad(excess, p)

    readout = linear.reading.linear_readout
    assert readout is not None
    penalty = (
        linear_penalty(linear, EPSILON, readout)
        if way == "linear"
        else replayed_penalty(linear, EPSILON)
    )
    pull = torch.ones_like(p).permute(1, 2, 3, 0).contiguous()
    with torch.no_grad():
        found = penalty(p.detach().permute(1, 2, 3, 0).contiguous(), pull)
    assert torch.allclose(found.T, distance, atol=1e-9)
    # Weights of a row sum to 1: what moves all of them alike is no part of a slope.
    found_slope = (pull - 1).permute(3, 0, 1, 2)
    assert torch.allclose(along_rows(found_slope, p), along_rows(slope, p), atol=1e-7)
    assert (distance > EPSILON).any()


CASES = ["one row", "heads", "one head", "every row", "rows before", "rows near"]


def model_of(case: str) -> AuditedModel:
    if case == "one row":
        model = tiny_model()
        model.network.double()
        return model
    sights = {"rows before": Sight.BEFORE, "rows near": Sight.NEAR}
    return RowsModel(every_row="row" in case, sight=sights.get(case, Sight.EVERYTHING))


def read(model: AuditedModel, case: str, n_texts: int = 6) -> AuditedBatch:
    one_row = case == "one row"
    examples = tiny_examples(6, lengths=(4, 9)) if one_row else texts(4, 9, 6, 5, 7, 8)[:n_texts]
    site = Site(1, head=1) if case == "one head" else model.default_site
    return read_batch(model, model.collate(model.encode(examples)), site, seed=0)


@pytest.fixture(params=CASES)
def audited(request: pytest.FixtureRequest) -> AuditedBatch:
    return read(model_of(request.param), request.param)


def loss(audited: AuditedBatch, scores: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The paper's loss, as it is written down, of what people would be shown."""
    p = scores.softmax(dim=-1) * audited.admissible.any(-1)[:, None, :, None]
    q = audited.explain(p)
    own = audited.explanation.unsqueeze(1)
    pairs = list(itertools.combinations(range(q.shape[1]), 2))
    apart = [jensen_shannon_divergence(q[:, i], q[:, j]) for i, j in pairs]
    excess = (output_distances(audited, p) - epsilon).relu()
    each = -jensen_shannon_divergence(q, own).mean(dim=1) + 500 * excess.mean(dim=1)
    total: torch.Tensor = (each - sum(apart) / len(apart)).sum() if apart else each.sum()
    return total


def random_scores(audited: AuditedBatch, n_restarts: int) -> torch.Tensor:
    torch.manual_seed(0)
    n_batch, n_rows, n_units = audited.attention.shape
    scores = torch.randn(n_batch, n_restarts, n_rows, n_units, dtype=torch.float64)
    return scores.masked_fill(~audited.admissible.unsqueeze(1), PADDING_SCORE)


def examples_last(scores: torch.Tensor) -> torch.Tensor:
    return scores.detach().permute(1, 2, 3, 0).contiguous()


def step_at(audited: AuditedBatch, scores: torch.Tensor) -> Step:
    penalty = replayed_penalty(audited, 0.01)
    found = Loss(audited, scores.shape[1], penalty, scores.dtype)
    found.at(examples_last(torch.randn_like(scores)))  # what an earlier step leaves behind
    return found.at(examples_last(scores))


@pytest.mark.parametrize("n_restarts", [1, 2, 3, 4, 5])
def test_gradient_is_autograds(audited: AuditedBatch, n_restarts: int) -> None:
    scores = random_scores(audited, n_restarts).requires_grad_()
    (expected,) = torch.autograd.grad(loss(audited, scores, 0.01), scores)
    found = step_at(audited, scores).score_gradient
    assert torch.allclose(found, examples_last(expected), atol=1e-9)


def test_divergence_of_the_iterates_is_their_explanations_divergence(
    audited: AuditedBatch,
) -> None:
    step = step_at(audited, random_scores(audited, 5))
    shown = audited.explain(step.p.permute(3, 0, 1, 2))
    expected = jensen_shannon_divergence(shown, audited.explanation.unsqueeze(1))
    assert torch.allclose(step.jsd.T, expected, atol=1e-9)


@pytest.mark.parametrize("case", CASES[1:])
def test_a_text_gets_the_same_starts_alone(case: str) -> None:
    """Rows of padding, and those of longer texts, draw nothing."""
    model = model_of(case)
    together = read(model, case)
    scores = starting_scores(together, 3)
    for i, item in enumerate(together.batch.encoded):
        site = Site(1, head=1) if case == "one head" else model.default_site
        alone = read_batch(model, model.collate([item]), site, seed=0)
        rows = together.reading.row_mask[i]
        expected = starting_scores(alone, 3)[0]
        assert torch.equal(scores[i][:, rows, : item.n_units], expected)


def test_starts_of_one_row_are_normal_draws() -> None:
    whole = read(model_of("one row"), "one row")
    noise = normals(example_keys(0, whole.ids, "adversarial"), 5, whole.attention.shape[-1])
    expected = torch.from_numpy(3.0 * noise - np.log(whole.lengths)[:, None, None]).float()
    found = starting_scores(whole, 5)[:, :, 0]
    mask = whole.batch.unit_mask.unsqueeze(1).expand_as(found)
    assert torch.equal(found[mask], expected[mask])


def test_portions_of_the_draws_change_nothing() -> None:
    whole = read(model_of("every row"), "every row")
    at_once = starting_scores(whole, 2)
    whole.model.capacity = Capacity(memory=2**17, cache=2**20, n_tokens=2**10)
    assert torch.equal(starting_scores(whole, 2), at_once)


def test_rows_stay_distributions_over_what_they_may_attend_to(audited: AuditedBatch) -> None:
    found = gradient_adversary(audited, Search(0.05, n_iterations=60, n_restarts=3)).attention
    has_units = audited.admissible.any(-1)
    assert (found.masked_select(~audited.admissible) == 0).all()
    assert torch.allclose(found.sum(-1), has_units.double(), atol=1e-12)


def test_more_steps_find_no_less(audited: AuditedBatch) -> None:
    few = gradient_adversary(audited, Search(0.05, n_iterations=5, n_restarts=3))
    many = gradient_adversary(audited, Search(0.05, n_iterations=60, n_restarts=3))
    assert (many.jsd >= few.jsd).all()
    assert (many.jsd > 0).all()


def test_the_search_tells_of_its_steps_and_finds_the_same(audited: AuditedBatch) -> None:
    search, told = Search(0.05, n_iterations=7, n_restarts=2), list[float]()
    silent = gradient_adversary(audited, search)
    with following(told.append):
        heard = gradient_adversary(audited, search)
    assert len(told) >= 7
    assert told == sorted(told)
    assert 0 < told[0] <= 0.2
    assert told[-1] > 0.9
    assert torch.equal(heard.attention, silent.attention)
    assert torch.equal(heard.jsd, silent.jsd)


def test_steps_are_pytorchs() -> None:
    generator = torch.Generator().manual_seed(0)
    found = torch.randn(4, 7, dtype=torch.float64, generator=generator)
    expected = found.clone().requires_grad_()
    adam = Adam(found)
    theirs = torch.optim.Adam([expected], lr=LEARNING_RATE, amsgrad=True)
    for scale in (1e-6, 1.0, 100.0, *[0.01] * 40):
        gradient = scale * torch.randn(4, 7, dtype=torch.float64, generator=generator)
        adam.step(gradient)
        expected.grad = gradient
        theirs.step()
        assert torch.allclose(found, expected.detach(), rtol=0, atol=1e-10)


def test_where_there_is_no_gradient_nothing_moves() -> None:
    parameter = torch.ones(3)
    Adam(parameter).step(torch.zeros(3))
    assert parameter.equal(torch.ones(3))


def test_a_gradient_may_have_any_layout() -> None:
    gradient = torch.arange(6.0).reshape(2, 3)
    expected, found = torch.zeros(2, 3), torch.zeros(2, 3)
    Adam(expected).step(gradient)
    Adam(found).step(gradient.T.contiguous().T)
    assert found.equal(expected)


def step_of(generator: torch.Generator, jsd: Tensor, n_rows: int = 2, n_units: int = 5) -> Step:
    n_variants, n_examples = jsd.shape
    p = torch.rand(n_variants, n_rows, n_units, n_examples, generator=generator)
    return Step(p, jsd, torch.zeros_like(jsd).double(), torch.zeros_like(p))


@given(seed=st.integers(0, 10_000), n_examples=st.integers(1, 6), n_variants=st.integers(1, 4))
def test_both_ways_keep_the_first_of_the_best_and_leave_the_others(
    seed: int, n_examples: int, n_variants: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Few values, so that variants tie with each other and with what is kept.
    draw = torch.randint(0, 4, (3, n_variants, n_examples), generator=generator) / 4
    kept = draw[0, 0].clone()
    step, feasible = step_of(generator, draw[1]), draw[2] > 0.25
    better = (step.jsd > kept) & feasible
    own = torch.rand(n_examples, 2, 5, generator=generator).double()

    for writes_all in (False, True):
        kept_best = BestIterate(Witness(own, kept.double()))
        kept_best.writes_all = writes_all
        kept_best.offer(step, feasible)
        for i in range(n_examples):
            candidates = [v for v in range(n_variants) if better[v, i]]
            best = max(candidates, key=lambda v: float(step.jsd[v, i]), default=None)
            expected = own[i] if best is None else step.p[best, :, :, i].double()
            assert torch.equal(kept_best.weights[i], expected)
            assert kept_best.jsd[i] == (kept[i] if best is None else step.jsd[best, i])
