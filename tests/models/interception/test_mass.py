"""The mass on the audited units, moved: against whole passes with softmaxes altered directly."""

import pytest
import torch
from torch import Tensor

from attn_audit.models.contract import Reading, RowChoice, Site
from tests.models.interception.matrix import MAX_ERROR, assert_close, audited, padded_batch, read
from tests.models.interception.passes import WholePasses, random_attention
from tests.models.interception.toys import LstmToy, audited_toy

N_VARIANTS = 3
MIN_EFFECT = 1e-3

WITHOUT_REST = ("bert", "gpt2")
"""Every token is audited: nothing else is attended to."""

WITH_REST = ("t5", "bart")
"""The end marker is no unit."""

OTHER_MASS = (0.0, 0.3, 1.0)


def of_rows(reading: Reading, share: float) -> Tensor:
    return torch.full((len(reading.mass), N_VARIANTS, reading.mass.shape[1]), float(share))


@pytest.mark.parametrize("site", ["default", "head", "rows"])
@pytest.mark.parametrize("name", [*WITHOUT_REST, *WITH_REST])
def test_other_mass_is_a_whole_pass_in_values_and_gradients(name: str, site: str) -> None:
    model = audited(name)
    last = model.default_site.layer
    sites = {"default": Site(last), "head": Site(last, 1), "rows": Site(last, rows=RowChoice.ALL)}
    passes = WholePasses(name, model, padded_batch(model), sites[site])
    attention = random_attention(passes.reading, N_VARIANTS)
    draws = torch.rand(attention.shape[:3], generator=torch.Generator().manual_seed(1))
    for share in (*map(torch.tensor, OTHER_MASS), draws):
        mass = share.expand(attention.shape[:3]).clone().requires_grad_()
        replayed, truth = passes.reading.replay(attention, mass), passes.logits(attention, mass)
        assert_close(replayed, truth, MAX_ERROR[name])
    assert not torch.allclose(truth, passes.logits(attention), atol=MIN_EFFECT)
    (gradient,) = torch.autograd.grad(replayed.sum(), mass)
    (expected,) = torch.autograd.grad(truth.sum(), mass)
    assert_close(gradient, expected, MAX_ERROR[name])


@pytest.mark.parametrize("name", [*WITHOUT_REST, *WITH_REST])
def test_the_own_mass_is_none_given(name: str) -> None:
    model = audited(name)
    reading = read(model, padded_batch(model))
    attention = random_attention(reading, N_VARIANTS)
    assert_close(reading.replay(attention, reading.mass), reading.replay(attention))
    of_variants = reading.mass.unsqueeze(1).expand(-1, N_VARIANTS, -1)
    assert_close(reading.replay(attention, of_variants), reading.replay(attention))


@pytest.mark.parametrize("name", [*WITHOUT_REST, *WITH_REST])
def test_cut_off_it_does_not_matter_what_the_attention_was(name: str) -> None:
    model = audited(name)
    reading = read(model, padded_batch(model))
    logits = reading.replay(random_attention(reading, N_VARIANTS), of_rows(reading, 0))
    assert_close(logits, logits[:, :1].expand_as(logits))


def test_of_a_linear_readout_without_rest_only_the_bias_is_left() -> None:
    toy = LstmToy()
    model = audited_toy(toy, can_mask=False)
    reading = read(model, padded_batch(model))
    assert reading.linear_readout is not None
    attention = random_attention(reading, N_VARIANTS)
    bias = toy.head.bias.detach()
    whole = reading.replay(attention)
    for share in OTHER_MASS:
        logits = reading.replay(attention, of_rows(reading, share))
        assert_close(logits, bias + share * (whole - bias))
