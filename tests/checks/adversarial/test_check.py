"""The adversarial check on models, whatever finds the adversary."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from attn_audit.checks.adversarial.check import Adversarial, Method
from attn_audit.checks.base import AuditedBatch, Columns, output_distances, read_batch
from attn_audit.distances import jensen_shannon_divergence
from attn_audit.errors import ConfigurationError
from attn_audit.models.contract import LinearReadout
from attn_audit.models.task import TaskKind
from tests.goldens import NAMES, load_golden
from tests.tiny import tiny_examples, tiny_model

CASES = {
    "binary": {"kind": TaskKind.BINARY},
    "two classes": {"kind": TaskKind.MULTICLASS},
    "three classes": {"kind": TaskKind.MULTICLASS, "n_labels": 3},
    "multilabel": {"kind": TaskKind.MULTILABEL, "n_labels": 3},
    "pairs": {"kind": TaskKind.CANDIDATES, "n_labels": 4, "is_pair": True},
}


def audited(name: str, seed: int = 0, n_examples: int = 24) -> AuditedBatch:
    model = tiny_model(seed=seed, **CASES[name])  # type: ignore[arg-type]
    examples = tiny_examples(n_examples, is_pair=name == "pairs", seed=seed)
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=0)


def values(columns: Columns, name: str) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in columns[name]], dtype=float)


@pytest.mark.parametrize(
    ("name", "method"),
    [*((name, Method.GRADIENT) for name in CASES)]
    + [(name, Method.AUTO) for name in ("binary", "two classes")],
)
def test_witness_keeps_the_output_within_epsilon_checked_in_float64(
    name: str, method: Method
) -> None:
    batch = audited(name)
    columns = Adversarial(0.05, method, n_iterations=40).run(batch)
    model = batch.model
    model.network.double()  # type: ignore[attr-defined]
    (exact,) = model.read(model.collate(batch.batch.encoded), [model.default_site])
    own = model.task.probabilities(exact.logits)
    for i, weights in enumerate(columns["adversarial.attention"]):
        if weights is None:
            continue
        row = torch.zeros_like(exact.attention).unsqueeze(1)
        row[i, 0, 0, : len(weights)] = torch.tensor(weights, dtype=torch.float64)
        replayed = model.task.probabilities(exact.replay(row).squeeze(1))
        assert model.task.distance(replayed, own)[i].item() <= 0.05 + 1e-6
        assert columns["adversarial.max_jsd"][i] >= 0


@pytest.mark.parametrize("name", CASES)
def test_search_never_beats_the_optimum_or_the_upper_bound(name: str) -> None:
    batch = audited(name)
    found = Adversarial(0.05, Method.GRADIENT, n_iterations=60).run(batch)
    bound = values(found, "adversarial.upper_bound")
    known = ~np.isnan(bound)
    assert (values(found, "adversarial.max_jsd")[known] <= bound[known] + 1e-12).all()
    if name in ("binary", "two classes"):
        exact = Adversarial(0.05).run(batch)
        # A search may count on the rounding of a float32 replay; the optimum does not.
        best = values(exact, "adversarial.max_jsd")
        measured = ~np.isnan(best)
        assert (values(found, "adversarial.max_jsd")[measured] <= best[measured] + 1e-5).all()


@pytest.mark.parametrize("name", ["three classes", "multilabel"])
@pytest.mark.parametrize("seed", range(2))
def test_random_attention_never_beats_the_upper_bound(name: str, seed: int) -> None:
    batch = audited(name, seed)
    columns = Adversarial(0.05, Method.GRADIENT, n_iterations=1).run(batch)
    bound = torch.tensor(values(columns, "adversarial.upper_bound"))
    torch.manual_seed(seed)
    concentration = torch.full(batch.explanation.shape, 0.15)
    draws = torch.distributions.Dirichlet(concentration).sample(torch.Size([2000]))
    weights = (draws.transpose(0, 1) * batch.batch.unit_mask.unsqueeze(1)).double()
    weights = weights / weights.sum(-1, keepdim=True).clamp_min(1e-30)
    feasible = output_distances(batch, weights.unsqueeze(2)) <= 0.05
    divergence = jensen_shannon_divergence(weights, batch.explanation.unsqueeze(1))
    best = divergence.masked_fill(~feasible, 0).amax(dim=1)
    known = ~bound.isnan()
    assert (best[known] <= bound[known] + 1e-9).all()
    assert int(known.sum()) > 0


# A search over weights does not know which scores they were made of.
@pytest.mark.parametrize("name", [name for name in NAMES if "tanh" in name])
def test_finds_at_least_what_the_original_found(shared: Path, name: str) -> None:
    golden = load_golden(shared, name)
    expected = golden.expected["adversarial_max_jsd"]
    search = values(Adversarial(0.05, Method.GRADIENT).run(golden.audited), "adversarial.max_jsd")
    assert (search >= expected - 1e-3).mean() >= 0.95  # over all of NAMES: 431 of 432
    if not golden.is_pair and golden.expected["probability"].shape[1] == 1:
        exact = values(Adversarial(0.05).run(golden.audited), "adversarial.max_jsd")
        assert (exact >= expected - 1e-6).all()


def test_single_units_are_untestable_and_null() -> None:
    model = tiny_model()
    examples = tiny_examples(3, lengths=(1, 1))
    batch = read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=0)
    columns = Adversarial(0.05).run(batch)
    assert columns["adversarial.status"] == ["untestable_single_unit"] * 3
    for name in (
        "adversarial.max_jsd",
        "adversarial.relative_jsd",
        "adversarial.attention",
        "adversarial.method",
    ):
        assert columns[name] == [None] * 3


def test_relative_divergence_is_over_the_attainable() -> None:
    columns = Adversarial(0.5).run(audited("binary"))
    relative = values(columns, "adversarial.relative_jsd")
    measured = ~np.isnan(relative)
    assert (relative[measured] >= 0).all()
    assert (relative[measured] <= 1).all()


def test_exact_is_refused_where_it_does_not_apply() -> None:
    with pytest.raises(ConfigurationError, match="--method exact"):
        Adversarial(0.05, Method.EXACT).run(audited("pairs"))


def test_search_does_not_depend_on_batch_or_order() -> None:
    model = tiny_model()
    examples = tiny_examples(8, lengths=(5, 12))
    check = Adversarial(0.05, Method.GRADIENT, n_iterations=40)

    def jsd_of(chosen: list[int]) -> dict[str, float]:
        encoded = model.encode([examples[i] for i in chosen])
        batch = read_batch(model, model.collate(encoded), model.default_site, seed=0)
        return dict(zip(batch.ids, check.run(batch)["adversarial.max_jsd"], strict=True))

    together = jsd_of([3, 1, 0, 2, 7, 5, 4, 6])
    for i in range(8):
        alone = jsd_of([i])
        assert all(together[key] == pytest.approx(alone[key], abs=1e-4) for key in alone)


def test_a_readout_that_is_not_what_it_claims_is_searched_instead() -> None:
    batch = audited("binary")
    readout = batch.reading.linear_readout
    assert readout is not None
    wrong = LinearReadout(readout.offset + 1, readout.unit_logits)
    lying = dataclasses.replace(
        batch, reading=dataclasses.replace(batch.reading, find_linear_readout=lambda: wrong)
    )
    columns = Adversarial(0.05, n_iterations=20).run(lying)
    assert "gradient" in columns["adversarial.method"]
    distance = values(columns, "adversarial.distance")
    assert (distance[~np.isnan(distance)] <= 0.05 + 1e-4).all()


def test_an_output_that_cannot_move_leaves_all_attention_feasible() -> None:
    """With a single candidate allowed, every attention gives it probability 1."""
    model = tiny_model(kind=TaskKind.CANDIDATES, n_labels=2)
    examples = [
        dataclasses.replace(example, candidates=("label0",))
        for example in tiny_examples(4, lengths=(4, 8))
    ]
    batch = read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=0)
    columns = Adversarial(0.05).run(batch)
    assert columns["adversarial.relative_jsd"] == pytest.approx([1] * 4)
    assert columns["adversarial.distance"] == pytest.approx([0] * 4)


@pytest.mark.parametrize("name", CASES)
def test_the_margin_is_that_of_replaying_the_witness(name: str) -> None:
    batch = audited(name, n_examples=12)
    columns = Adversarial(0.05, n_iterations=30, n_restarts=2).run(batch)
    for i, weights in enumerate(columns["adversarial.attention"]):
        if weights is None:
            assert columns["adversarial.margin"][i] is None
            continue
        row = torch.zeros_like(batch.reading.attention).unsqueeze(1)
        row[i, 0, 0, : len(weights)] = torch.tensor(weights)
        own, other = batch.reading.logits[i].tolist(), batch.reading.replay(row)[i, 0].tolist()
        if name in ("binary", "multilabel"):
            signs = [1 if z >= 0 else -1 for z in own]
            on = [j for j, z in enumerate(own) if z >= 0]
            labels = on or [max(range(len(own)), key=own.__getitem__)]
            wholes = [(abs(own[j]), signs[j] * other[j]) for j in labels]
            turned = [after < 0 for _, after in wholes]
        else:
            first, second, *_ = sorted(range(len(own)), key=lambda j: -own[j])
            wholes = [(own[first] - own[second], other[first] - other[second])]
            turned = [other[first] < max(other)]
        moved = [abs(after - before) / before for before, after in wholes]
        expected = sum(moved) / len(moved), sum(turned) / len(turned)
        found = columns["adversarial.margin"][i], columns["adversarial.turned"][i]
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)
