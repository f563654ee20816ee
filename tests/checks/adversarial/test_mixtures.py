"""Which pairs of units are tried, and that leaving the others out loses nothing."""

import dataclasses

import pytest
import torch
from torch import Tensor

from attn_audit.checks.adversarial import mixtures as likely_pairs_module
from attn_audit.checks.adversarial.mixtures import (
    N_LIKELY,
    SingleUnits,
    best_mixture,
    grid_jsd,
    likely_pairs,
    mixture_jsd,
    parts_of_grid,
    shares_of_second,
    try_single_units,
)
from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.models.task import TaskKind
from tests.tiny import tiny_examples, tiny_model

EPSILON = 0.05


def audited(kind: TaskKind = TaskKind.BINARY, is_pair: bool = False) -> AuditedBatch:
    model = tiny_model(kind=kind, n_labels=3, is_pair=is_pair)
    examples = tiny_examples(12, lengths=(8, 14), is_pair=is_pair)
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=0)


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.MULTILABEL])
def test_the_likeliest_pairs_of_a_linear_readout_hold_the_best_of_all(
    kind: TaskKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = audited(kind)
    likely = best_mixture(whole, try_single_units(whole), EPSILON, 2500)
    monkeypatch.setattr(likely_pairs_module, "N_LIKELY", 10**6)
    every = best_mixture(whole, try_single_units(whole), EPSILON, 2500)
    # Of pairs, the grid's best need not stay the best when both are refined.
    assert torch.allclose(likely.jsd, every.jsd, atol=1e-9)


def test_the_readout_need_not_be_known_to_be_linear() -> None:
    whole = audited()
    reading = dataclasses.replace(whole.reading, find_linear_readout=lambda: None)
    withheld = dataclasses.replace(whole, reading=reading)
    first, second = likely_pairs(withheld, try_single_units(withheld), EPSILON, 2500)
    assert first.shape == second.shape == (12, N_LIKELY)


def warped(single: SingleUnits) -> SingleUnits:
    """Of a readout that is further from linear than an untrained one."""
    assert single.logits is not None
    return dataclasses.replace(single, logits=single.logits + 10 * single.logits.tanh() ** 2)


def test_where_logits_do_not_mix_all_pairs_are_tried() -> None:
    whole = audited(TaskKind.CANDIDATES, is_pair=True)
    first, second = likely_pairs(whole, warped(try_single_units(whole)), EPSILON, 2500)
    n = whole.attention.shape[-1]
    assert first.shape[1] == n * (n - 1) // 2
    assert (first != second).all()


def test_of_two_sides_all_pairs_that_pull_to_opposite_ones_are_tried() -> None:
    whole = audited()
    single = try_single_units(whole)
    first, second = likely_pairs(whole, warped(single), EPSILON, 2500)
    n = whole.attention.shape[-1]
    assert N_LIKELY < first.shape[1] < n * (n - 1) // 2
    raises = single.raises
    for row, tried in enumerate(torch.stack([first, second], dim=2).tolist()):
        units = range(int(whole.lengths[row]))
        opposite = {
            frozenset((i, j)) for i in units for j in units if raises[row, i] != raises[row, j]
        }
        assert opposite <= {frozenset(pair) for pair in tried}


def test_divergences_on_the_grid_are_the_mixtures() -> None:
    whole = audited()
    first, second = torch.tensor([[0, 3, 2], [1, 0, 4]]).repeat(6, 1), torch.tensor([[1, 2, 5]])
    second = second.expand(12, -1)
    found = grid_jsd(parts_of_grid(whole), first, second)
    share = shares_of_second(whole.explanation)
    a_first, a_second = (whole.explanation.gather(1, u).unsqueeze(2) for u in (first, second))
    assert torch.allclose(found, mixture_jsd(a_first, a_second, share), atol=1e-15, rtol=0)


def test_a_text_is_tried_with_the_same_pairs_alone_as_beside_longer_ones() -> None:
    whole = audited()
    together = likely_pairs(whole, warped(try_single_units(whole)), EPSILON, 2500)
    for row, encoded in enumerate(whole.batch.encoded):
        batch = whole.model.collate([encoded])
        alone = read_batch(whole.model, batch, whole.model.default_site, seed=0)
        pairs = likely_pairs(alone, warped(try_single_units(alone)), EPSILON, 2500)
        assert real_pairs(alone, 0, *pairs) == real_pairs(whole, row, *together)


def real_pairs(
    whole: AuditedBatch, row: int, first: Tensor, second: Tensor
) -> set[tuple[int, int]]:
    n_units = int(whole.lengths[row])
    pairs = zip(first[row].tolist(), second[row].tolist(), strict=True)
    return {(i, j) for i, j in pairs if max(i, j) < n_units}


def test_pairs_that_pull_to_opposite_sides_find_nearly_what_all_pairs_find(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = audited()

    def replay(weights: Tensor, mass: Tensor | None = None) -> Tensor:
        logits = whole.reading.replay(weights, mass)
        return logits + 2 * logits.sin()

    reading = dataclasses.replace(whole.reading, replay=replay, find_linear_readout=lambda: None)
    own = replay(reading.attention.unsqueeze(1)).squeeze(1)
    bent = dataclasses.replace(
        whole, reading=reading, probabilities=whole.model.task.probabilities(own)
    )
    opposite = best_mixture(bent, try_single_units(bent), EPSILON, 2500)
    monkeypatch.setattr(likely_pairs_module, "_opposite", lambda audited, single, *pairs: pairs)
    every = best_mixture(bent, try_single_units(bent), EPSILON, 2500)
    assert float(every.jsd.min()) > 0
    assert float((every.jsd - opposite.jsd).abs().mean()) < 1e-3
