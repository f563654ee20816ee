"""Replays against whole passes of an eager model: values and gradients in the weights."""

from collections.abc import Callable

import pytest
import torch

from attn_audit.models.contract import RowChoice, Site
from attn_audit.models.interception.model import InterceptedModel
from tests.models.interception.matrix import (
    MAX_ERROR,
    REPRESENTATIVE,
    assert_close,
    audited,
    over,
    over_architectures,
    padded_batch,
    read,
)
from tests.models.interception.passes import WholePasses, random_attention
from tests.models.interception.zoo import DECODERS

N_VARIANTS = 3
MIN_EFFECT = 0.01
"""Of other attention, so that a replay that does nothing is noticed."""


@over(REPRESENTATIVE)
def test_own_attention_replays_the_prediction_at_every_layer(name: str) -> None:
    model = audited(name)
    batch = padded_batch(model)
    for layer in range(len(model.layers)):
        reading = read(model, batch, Site(layer, rows=RowChoice.ALL))
        with torch.no_grad():
            replayed = reading.replay(reading.attention.unsqueeze(1)).squeeze(1)
        assert_close(replayed, reading.logits, MAX_ERROR[name])


def default_site(model: InterceptedModel) -> Site:
    return model.default_site


def one_head(model: InterceptedModel) -> Site:
    return Site(model.default_site.layer, head=1)


def every_row(model: InterceptedModel) -> Site:
    return Site(model.default_site.layer, rows=RowChoice.ALL)


def first_layer(model: InterceptedModel) -> Site:
    return Site(0)


@over(DECODERS)
def test_replay_of_texts_padded_left_is_a_whole_pass(name: str) -> None:
    assert_whole_passes(name, audited(name, "left"), default_site)


@over_architectures
def test_replay_is_a_whole_pass_in_values_and_gradients(name: str) -> None:
    assert_whole_passes(name, audited(name), default_site)


@pytest.mark.parametrize("site", [one_head, every_row, first_layer])
@over(REPRESENTATIVE)
def test_so_is_replay_at_other_sites(name: str, site: Callable[[InterceptedModel], Site]) -> None:
    assert_whole_passes(name, audited(name), site)


def assert_whole_passes(
    name: str, model: InterceptedModel, site: Callable[[InterceptedModel], Site]
) -> None:
    __tracebackhide__ = True
    passes = WholePasses(name, model, padded_batch(model), site(model))
    attention = random_attention(passes.reading, N_VARIANTS).requires_grad_()
    replayed, truth = passes.reading.replay(attention), passes.logits(attention)
    assert_close(replayed, truth, MAX_ERROR[name])
    assert not torch.allclose(truth, passes.reading.logits.unsqueeze(1), atol=MIN_EFFECT)

    direction = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad((replayed * direction).sum(), attention)
    (expected,) = torch.autograd.grad((truth * direction).sum(), attention)
    # Where a row may not attend, interventions move nothing, so that there is no gradient.
    assert_close(gradient, expected * passes.reading.admissible.unsqueeze(1), MAX_ERROR[name])
    assert gradient.abs().max() > MIN_EFFECT
