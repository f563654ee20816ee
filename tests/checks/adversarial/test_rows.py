"""The adversary where there are several heads and query rows, or a row sees part of the text."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from attn_audit.checks.adversarial.check import Adversarial, Method
from attn_audit.checks.adversarial.mixtures import best_mixture, try_single_units
from attn_audit.checks.base import AuditedBatch, in_every_row, output_distances, read_batch
from attn_audit.distances import attainable_jsd, jensen_shannon_divergence
from attn_audit.models.capacity import Capacity
from attn_audit.models.contract import LinearReadout, Site
from tests.brute import Text, explanation
from tests.rows import RowsModel, Sight, texts
from tests.tiny import tiny_examples, tiny_model

MODELS = {
    "heads": RowsModel(),
    "heads near": RowsModel(sight=Sight.NEAR),
    "rows": RowsModel(every_row=True),
    "rows before": RowsModel(every_row=True, sight=Sight.BEFORE),
    "rows near": RowsModel(every_row=True, sight=Sight.NEAR),
}
EPSILON = 0.05


def audited(name: str, *lengths: int, site: Site = Site(1)) -> AuditedBatch:  # noqa: B008
    model = MODELS[name]
    return read_batch(model, model.collate(model.encode(texts(*lengths))), site, seed=0)


def jsd(p: np.ndarray, q: np.ndarray) -> float:
    return float(jensen_shannon_divergence(torch.tensor(p), torch.tensor(q)))


@pytest.mark.parametrize("name", MODELS)
def test_single_units_are_put_into_every_row_that_may_attend_to_them(name: str) -> None:
    whole = audited(name, 6, 4)
    found = try_single_units(whole)
    for i, unit in itertools.product(range(2), range(4)):
        text = Text(MODELS[name], [int(word.text[1:]) for word in whole.batch.encoded[i].units])
        own = text.weights(1)
        changed = {}
        for (head, row), weights in own.items():
            alone = np.zeros_like(weights)
            alone[unit] = weights.sum()
            changed[head, row] = alone if unit in text.admissible(row) else weights
        expected = text.probability(1, changed)
        assert found.logits is not None
        probability = found.logits[i, unit, 0].sigmoid().item()
        assert probability == pytest.approx(expected)
        divergence = jsd(explanation(changed), explanation(own))
        assert found.jsd[i, unit].item() == pytest.approx(divergence, abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_the_best_mixture_is_feasible_and_its_divergence_is_what_it_says(name: str) -> None:
    whole = audited(name, 6, 4, 9)
    witness = best_mixture(whole, try_single_units(whole), EPSILON, 2500)
    weights = witness.attention.unsqueeze(1)
    assert (output_distances(whole, weights) <= EPSILON + 1e-9).all()
    divergence = jensen_shannon_divergence(whole.explain(weights).squeeze(1), whole.explanation)
    assert torch.allclose(divergence, witness.jsd, atol=1e-9)


def test_a_mixture_is_cut_to_what_a_row_may_attend_to() -> None:
    whole = audited("rows before", 4)
    weights = torch.tensor([[[0.5, 0.2, 0.3, 0.0]]], dtype=torch.float64)
    rows = in_every_row(whole, weights)[0, 0].reshape(3, 4, 4)
    assert (rows[:, 0] == 0).all()
    assert rows[:, 1].tolist() == [[1, 0, 0, 0]] * 3
    assert torch.allclose(rows[:, 2], torch.tensor([5 / 7, 2 / 7, 0, 0]).double())
    assert torch.allclose(rows[:, 3], torch.tensor([0.5, 0.2, 0.3, 0]).double())
    last = torch.tensor([[[0.0, 0.0, 0.0, 1.0]]], dtype=torch.float64)
    assert in_every_row(whole, last)[0, 0].equal(whole.attention[0])


@pytest.mark.parametrize("name", MODELS)
def test_the_witness_keeps_the_output_and_is_recorded_as_it_would_be_shown(name: str) -> None:
    whole = audited(name, 6, 2, 9, 1)
    columns = Adversarial(EPSILON, n_iterations=60).run(whole)
    for i, n in enumerate(whole.lengths):
        if columns["adversarial.max_jsd"][i] is None:
            assert columns["adversarial.status"][i] != "measured"
            continue
        shown = np.array(columns["adversarial.attention"][i])
        assert shown.sum() == pytest.approx(1)
        divergence = jsd(shown, whole.explanation[i, :n].numpy())
        assert columns["adversarial.max_jsd"][i] == pytest.approx(divergence, abs=1e-6)
        assert columns["adversarial.distance"][i] <= EPSILON
        assert 0 <= columns["adversarial.relative_jsd"][i] <= 1
        assert columns["adversarial.method"][i] == "gradient"


def test_heads_of_their_own_find_what_all_alike_cannot() -> None:
    """The adversary may keep the heads that matter and scramble the others."""
    whole = audited("heads", 3)
    alike = best_mixture(whole, try_single_units(whole), 0.01, 2500)
    (found,) = Adversarial(0.01, n_iterations=500).run(whole)["adversarial.max_jsd"]
    assert float(alike.jsd) == 0
    assert found > 0.1


@pytest.mark.parametrize("name", MODELS)
def test_a_text_gets_the_same_adversary_alone(name: str) -> None:
    whole = audited(name, 6, 4, 9)
    check = Adversarial(EPSILON, n_iterations=30)
    together = check.run(whole)["adversarial.max_jsd"]
    for i, item in enumerate(whole.batch.encoded):
        alone = read_batch(whole.model, whole.model.collate([item]), Site(1), seed=0)
        assert check.run(alone)["adversarial.max_jsd"][0] == pytest.approx(together[i], abs=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_portions_change_nothing(name: str) -> None:
    whole = audited(name, 6, 4, 9)
    at_once = best_mixture(whole, try_single_units(whole), EPSILON, 2500)
    whole.model.capacity = Capacity(memory=2**20, cache=5000 * 32, n_tokens=2**10)
    in_portions = best_mixture(whole, try_single_units(whole), EPSILON, 2500)
    assert torch.allclose(in_portions.jsd, at_once.jsd, atol=1e-12)
    assert torch.allclose(in_portions.attention, at_once.attention, atol=1e-12)


@pytest.mark.parametrize("method", [Method.AUTO, Method.GRADIENT])
def test_a_row_that_sees_part_of_the_text_gets_nothing_elsewhere(method: Method) -> None:
    """Of a linear readout with one row the optimum is exact, over the units of that row."""
    model = tiny_model()
    examples = tiny_examples(8, lengths=(6, 10))
    whole = read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=0)
    seen = torch.arange(whole.explanation.shape[1]) < 3
    near = whole.reading.attention * seen
    near = near / near.sum(-1, keepdim=True)
    reading = dataclasses.replace(
        whole.reading,
        attention=near,
        admissible=whole.reading.admissible & seen,
        logits=whole.reading.replay(near.unsqueeze(1)).squeeze(1),
    )
    part = dataclasses.replace(
        whole,
        reading=reading,
        attention=near.double(),
        explanation=near[:, 0].double(),
        probabilities=model.task.probabilities(reading.logits),
    )
    columns = Adversarial(0.2, method, n_iterations=100).run(part)
    assert set(columns["adversarial.method"]) == {"exact" if method is Method.AUTO else "gradient"}
    for row in columns["adversarial.attention"]:
        assert sum(row[:3]) == pytest.approx(1)
        assert sum(row[3:]) == 0
    assert max(columns["adversarial.relative_jsd"]) <= 1


def test_an_upper_bound_is_over_the_units_of_the_row() -> None:
    whole = audited("heads near", 8, 9, site=Site(1, head=1))
    offset = torch.zeros(2, 1, dtype=torch.float64)
    units = torch.linspace(-1, 1, 9).double()[None, :, None].expand(2, -1, -1)
    linear = LinearReadout(offset, units)
    reading = dataclasses.replace(whole.reading, find_linear_readout=lambda: linear)
    bounded = dataclasses.replace(whole, reading=reading)
    columns = Adversarial(0.9, Method.GRADIENT, n_iterations=2).run(bounded)
    least = whole.explanation[:, :3].amin(dim=1)
    for i, bound in enumerate(columns["adversarial.upper_bound"]):
        assert bound is None or bound <= attainable_jsd(least)[i].item() + 1e-12


def test_without_mass_nothing_is_said_and_nothing_breaks() -> None:
    columns = Adversarial(EPSILON, n_iterations=5).run(audited("rows before", 1, 1))
    assert columns["adversarial.max_jsd"] == [None, None]
    assert set(columns["adversarial.status"]) == {
        "untestable_single_unit+undefined_no_audited_mass"
    }
