from itertools import pairwise

import numpy as np
import pytest
import torch

from attn_audit.findings.measure import HEAD_MIX
from attn_audit.measures.head_mix import N_PERMUTED, N_SUBSETS, Mixes, head_mix, subsets
from attn_audit.measures.readout import of_heads
from attn_audit.measures.registry import computation
from attn_audit.randomness import is_of_judging_half
from tests.measures.brute import Loaded, called, over_units, texts_of
from tests.tiny import tiny_model

IDS = [f"text-{i}" for i in range(20)]
GENERATOR = np.random.default_rng(0)
SUMS = [GENERATOR.random((N_SUBSETS, 3)) for _ in IDS]


def mixes(own: list[float], permuted: float = 0.0) -> Mixes:
    return Mixes(1, tuple(own), ((permuted,) * len(own),) * N_PERMUTED)


@pytest.mark.parametrize(("kind", "row"), [("bert", 0), ("gpt2", -1)])
@pytest.mark.parametrize("unit", ["token", "word"])
def test_is_the_sum_of_what_every_head_says_times_what_it_counts_for(
    loaded: Loaded, kind: str, row: int, unit: str
) -> None:
    model, batch = loaded(kind, unit)
    heads = of_heads(batch, model.read_whole(batch))
    weights = [(-1.0) ** i * (i + 1) for i in range(heads.shape[2])]
    found = head_mix(mixes(weights, permuted=1.0), model, batch)
    ids = [item.example.id for item in batch.encoded]
    assert set(is_of_judging_half(ids)) == {True, False}
    for i, (text, judges) in enumerate(
        zip(texts_of(model, batch), is_of_judging_half(ids), strict=True)
    ):
        n_units = text.encoded[0].n_units
        assert not bool(found[i, n_units:].any())
        if not judges:
            assert bool(found[i, :n_units].isnan().all())
            continue
        every = torch.stack(called(model, text).attentions)[:, 0, :, row].flatten(0, 1)
        sums = [over_units(text, each) * audited_share(text, each) for each in every]
        expected = torch.tensor([weights, [1.0] * len(weights)]).double() @ torch.stack(sums)
        assert torch.allclose(found[i, :n_units].T, expected, rtol=1e-6, atol=1e-9)


def audited_share(text: object, row: torch.Tensor) -> float:
    units = text.inputs.units[0]  # type: ignore[attr-defined]
    return float(row[units >= 0].double().sum())


def test_a_mix_is_fitted_to_effects_by_least_squares() -> None:
    effects = [sums @ [2.0, 0.0, -1.0] for sums in SUMS]
    found = Mixes.of(0, IDS, SUMS, effects)
    assert found.n_texts == len(IDS)
    own = np.array(found.own) / found.own[0]
    assert own == pytest.approx([1, 0, -0.5], abs=0.02)


def test_permuted_effects_leave_weights_that_are_as_often_below_0_as_above() -> None:
    effects = [sums @ [2.0, 1.0, 1.0] for sums in SUMS]
    permuted = np.array(Mixes.of(0, IDS, SUMS, effects).permuted)
    assert permuted.shape == (256, 3)
    assert np.abs(permuted.mean(axis=0)).max() < 4 * permuted.std() / N_PERMUTED**0.5
    assert np.mean(permuted > 0) == pytest.approx(0.5, abs=0.1)


def test_the_order_of_texts_changes_nothing() -> None:
    effects = [GENERATOR.random(N_SUBSETS) for _ in IDS]
    backwards = Mixes.of(0, IDS[::-1], SUMS[::-1], effects[::-1])
    assert backwards == Mixes.of(0, IDS, SUMS, effects)


def test_random_halves_are_of_the_text_and_the_seed() -> None:
    found = subsets(0, "a", 7)
    assert found.shape == (32, 3)
    assert all(low < high for row in np.sort(found).tolist() for low, high in pairwise(row))
    assert len({tuple(row) for row in np.sort(found).tolist()}) > 10
    assert (found == subsets(0, "a", 7)).all()
    assert (found != subsets(1, "a", 7)).any()


def test_without_a_fit_no_text_has_scores(loaded: Loaded) -> None:
    model, batch = loaded("bert")
    assert bool(head_mix(None, model, batch)[batch.unit_mask].isnan().all())


def test_takes_several_heads_that_are_all_seen(loaded: Loaded) -> None:
    why_not = computation(HEAD_MIX.name).why_not
    assert why_not(tiny_model()) == "it has one attention, which is the audited one"
    assert "decoder" in str(why_not(loaded("bart")[0]))
    assert why_not(loaded("bert")[0]) is None
