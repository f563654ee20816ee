"""Numbers that decide what a search finds, each held by what the model is asked on the way."""

import dataclasses
from collections import Counter

import pytest
import torch
from torch import Tensor

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.adversarial.gradient import Search, gradient_adversary
from attn_audit.checks.base import AuditedBatch, output_distances, read_batch
from attn_audit.distances import jensen_shannon_divergence
from attn_audit.models.contract import LinearReadout
from attn_audit.randomness import example_keys, normals
from tests.rows import RowsModel, Sight, texts
from tests.tiny import tiny_examples, tiny_model

N_STEPS = 7


def one_row(n_texts: int = 1, lengths: tuple[int, int] = (9, 9)) -> AuditedBatch:
    """Of a linear readout that is not known to be one."""
    model = tiny_model()
    model.network.double()
    batch = model.collate(model.encode(tiny_examples(n_texts, lengths=lengths)))
    whole = read_batch(model, batch, model.default_site, seed=0)
    reading = dataclasses.replace(whole.reading, find_linear_readout=lambda: None)
    return dataclasses.replace(whole, reading=reading)


def bent(whole: AuditedBatch, by: float) -> AuditedBatch:
    """Logits of mixtures are off by a part of 1 - sum of squared weights: 0 of single units."""
    replay = whole.reading.replay

    def bending(weights: Tensor, mass: Tensor | None = None) -> Tensor:
        return replay(weights, mass) - by * (1 - (weights**2).sum(dim=-1).mean(dim=-1))[..., None]

    reading = dataclasses.replace(whole.reading, replay=bending)
    return dataclasses.replace(whole, reading=reading)


def asked(whole: AuditedBatch, n_steps: int = N_STEPS, n_restarts: int = 1) -> list[Tensor]:
    """The weights of every replay of a search."""
    seen: list[Tensor] = []
    replay = whole.reading.replay

    def noting(weights: Tensor, mass: Tensor | None = None) -> Tensor:
        seen.append(weights.detach().clone())
        return replay(weights, mass)

    reading = dataclasses.replace(whole.reading, replay=noting)
    gradient_adversary(
        dataclasses.replace(whole, reading=reading), Search(0.01, n_steps, n_restarts)
    )
    return seen


def pairs_of(weights: Tensor) -> list[tuple[float, ...]]:
    """The positive weights of all mixtures of two units."""
    rows = weights.reshape(-1, weights.shape[-1])
    return [tuple(row[row > 0].tolist()) for row in rows if int((row > 0).sum()) == 2]


def test_each_pair_is_tried_at_the_sixteenths_and_refined_by_twenty_halvings_each_way() -> None:
    seen = asked(bent(one_row(), 1.0), n_restarts=15)
    shares = {min(pair) for weights in seen if weights.shape[1] > 20 for pair in pairs_of(weights)}
    assert shares == {k / 16 for k in range(1, 9)}
    halvings = [w for w in seen if w.shape[1] == 1 and int((w > 0).sum()) <= 2]
    assert len(halvings) == 2 * 20


def test_of_a_linear_readout_the_sixteen_likeliest_pairs_are_tried() -> None:
    whole = one_row()
    seen = asked(whole, n_steps=100, n_restarts=25)
    by_size = Counter(w.shape[1] for w in seen if pairs_of(w) and w.shape[1] > 1)
    assert by_size == {16: 1, 16 * 15: 1}  # halves, to see whether they mix; then all shares


def test_the_readout_is_tried_on_two_random_distributions() -> None:
    whole = one_row()
    seen = asked(whole, n_steps=100, n_restarts=25)
    full = [w for w in seen if bool((w > 0).all())]
    assert [w.shape[1] for w in full] == [2]


def starts(whole: AuditedBatch, n_restarts: int) -> Tensor:
    """Log-uniform plus three times a standard normal, as the paper's code starts."""
    keys = example_keys(0, whole.ids, "adversarial")
    noise = torch.from_numpy(normals(keys, n_restarts, whole.attention.shape[-1]))
    return (3 * noise).softmax(dim=-1)


def test_a_search_starts_widely_spread_and_steps_as_adam_does() -> None:
    """The first step of Adam changes each score by the learning rate, whatever the gradient."""
    whole = bent(one_row(), 1.0)
    searched = [w for w in asked(whole, n_steps=2) if bool((w > 0).all())][-2:]
    first, second = (w.double().squeeze() for w in searched)
    torch.testing.assert_close(first, starts(whole, 1).squeeze(), atol=1e-6, rtol=1e-5)
    moved = second.log() - first.log()
    steps = moved - moved.mean()
    ups_and_downs = (moved[:, None] - moved[None]).abs()
    assert float(ups_and_downs.max()) == pytest.approx(0.02, abs=1e-4)
    assert bool(steps.abs().max() < 0.021)


def test_the_penalty_is_five_hundred_times_the_excess() -> None:
    """By finite differences of the loss as the paper writes it."""
    from attn_audit.checks.adversarial.gradient import Loss, replayed_penalty

    whole = bent(one_row(), 1.0)
    scores = starts(whole, 1).log()  # batch variant unit
    scores.requires_grad_()
    p = scores.softmax(dim=-1).unsqueeze(2)
    excess = (output_distances(whole, p) - 0.01).relu().sum()
    assert float(excess.detach()) > 0
    jsd = jensen_shannon_divergence(p.squeeze(2), whole.explanation.unsqueeze(1)).sum()
    (expected,) = torch.autograd.grad(500 * excess - jsd, scores)
    loss = Loss(whole, 1, replayed_penalty(whole, 0.01), torch.float64)
    step = loss.at(scores.detach().unsqueeze(2).permute(1, 2, 3, 0).contiguous())
    torch.testing.assert_close(step.score_gradient.squeeze(), expected.squeeze())


def test_padding_has_no_weight_and_breaks_no_logarithm() -> None:
    whole = bent(one_row(4, (3, 12)), 1.0)
    searched = asked(whole, n_restarts=2)[-N_STEPS:]
    for weights in searched:
        assert bool(weights.isfinite().all())
        padding = ~whole.batch.unit_mask[:, None, None, :].expand_as(weights)
        assert float(weights[padding].max()) < 1e-20


# --- tolerances -----------------------------------------------------------------------------------


def replays_of_search(whole: AuditedBatch) -> int:
    """Replays in which every unit has weight: those of the trial, and of steps without readout."""
    return sum(bool((w > 0).all()) for w in asked(whole, n_steps=30, n_restarts=2))


def bend_that_moves_a_probability_by(error: float) -> float:
    """On the distributions of the trial."""
    whole = one_row()
    weights = starts(whole, 2).unsqueeze(2)
    moved = output_distances(bent(whole, 1e-3), weights) - output_distances(whole, weights)
    return 1e-3 * error / float(moved.abs().max())


@pytest.mark.parametrize(("error", "n_replays"), [(0.4e-5, 1), (4e-5, 1 + 30)])
def test_a_guess_may_be_off_by_a_hundred_thousandth(error: float, n_replays: int) -> None:
    whole = bent(one_row(), bend_that_moves_a_probability_by(error))
    assert replays_of_search(whole) == n_replays


@pytest.mark.parametrize(("error", "method"), [(0.5e-4, "exact"), (4e-4, "gradient")])
def test_a_linear_form_may_be_off_by_a_ten_thousandth(error: float, method: str) -> None:
    model = tiny_model()
    model.network.double()
    batch = model.collate(model.encode(tiny_examples(1, lengths=(9, 9))))
    whole = read_batch(model, batch, model.default_site, seed=0)
    readout, p = whole.reading.linear_readout, whole.probabilities
    assert readout is not None
    shift = torch.logit(p + error) - torch.logit(p)
    wrong = LinearReadout(readout.offset + shift, readout.unit_logits)
    reading = dataclasses.replace(whole.reading, find_linear_readout=lambda: wrong)
    columns = Adversarial(0.01, n_iterations=3).run(dataclasses.replace(whole, reading=reading))
    assert columns["adversarial.method"] == [method]


@pytest.mark.parametrize(("inside", "is_kept"), [(0.4e-6, False), (3e-6, True)])
def test_iterates_stay_a_millionth_inside_epsilon(inside: float, is_kept: bool) -> None:
    """Epsilon is set to where the search starts: the only iterate is within it by that much."""
    model = RowsModel(sight=Sight.BEFORE)
    kept = tried = 0
    for example in texts(*range(6, 11)):
        batch = model.collate(model.encode([example]))
        whole = read_batch(model, batch, model.default_site, seed=0)
        start = [w for w in asked(whole, n_steps=1) if w.requires_grad or w.shape[1] == 1][-1]
        distance = float(output_distances(whole, start))
        found = gradient_adversary(whole, Search(distance + inside, 1, 1))
        without = gradient_adversary(whole, Search(distance - 1e-5, 1, 1))
        shown = whole.explain(start.double()).squeeze(1)
        if float(jensen_shannon_divergence(shown, whole.explanation)) <= float(without.jsd) + 1e-6:
            continue
        tried += 1
        kept += float(found.jsd) > float(without.jsd) + 1e-7
    assert tried >= 1
    assert kept == (tried if is_kept else 0)
