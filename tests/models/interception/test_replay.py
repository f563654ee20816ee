"""Replays against whole passes of an eager model: values and gradients, by the cheapest way."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from attn_audit.models.contract import RowChoice, Site
from attn_audit.models.interception.attention_point import AttentionTrace, Way
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.interception.replay import divided, full
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
from tests.models.interception.zoo import COUNTS_PADDING, IdsClassifier, build, examples

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


@over(COUNTS_PADDING)
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


RESUMES = {
    "xlnet": "has the batch second",
    "funnel": "reads several pooled rows",
    "convbert": "mixes values by a convolution before the projection",
    "squeezebert": "has channels first",
    "nystromformer": "adds a convolution over the values",
    "eurobert": "reads every row",
    "jamba": "reads every row",
    "t5": "adds a position bias for all rows",
    "mt5": "adds a position bias for all rows",
}
"""Where more than one row has to run again, and why."""


@over_architectures
def test_the_cheapest_way_that_is_exact_is_taken(name: str) -> None:
    findings = audited(name).describe().findings
    assert findings is not None
    assert findings.replay == ("resume" if name in RESUMES else "row")
    assert findings.replay_error <= 5e-5  # float32 kernels round by machine: 1.3e-5 was seen


ALL_ROWS = {"albert": "one module is every layer", "biogpt": "no call is the layer's alone"}
"""Whose last layer computes all rows where attention before it is replayed."""


@over(name for name in (*REPRESENTATIVE, *ALL_ROWS) if name not in RESUMES)
def test_before_the_last_layer_the_last_computes_one_row_alone(name: str) -> None:
    model, sizes = audited(name), list[int]()
    reading = read(model, padded_batch(model), Site(0))
    own = reading.attention.unsqueeze(1)
    reading.replay(own)  # what is tried once
    follower = model._survey.points[model.default_site.layer].follower
    assert follower is not None

    def note(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        sizes.append(args[0].shape[1])

    with follower.register_forward_pre_hook(note):
        assert_close(reading.replay(own)[:, 0], reading.logits, 5e-5)
    assert (sizes[-1] == 1) is (name not in ALL_ROWS)


def wrong_values(trace: AttentionTrace) -> Way:
    return lambda weights: full(trace)(weights) * 1.01


def wrong_order(trace: AttentionTrace) -> Way:
    """Right for one variant, wrong for several."""
    return lambda weights: full(trace)(weights).flip(1)


def wrong_shape(trace: AttentionTrace) -> Way:
    return lambda weights: full(trace)(weights)[:, :1]


def nothing_moves(trace: AttentionTrace) -> Way:
    return lambda weights: full(trace)(trace.weights.unsqueeze(1).expand_as(weights))


def wears_off(trace: AttentionTrace) -> Way:
    """Right the first time."""
    times = iter(range(100))
    return lambda weights: full(trace)(weights) + next(times)


def refuses(trace: AttentionTrace) -> Way:
    raise RuntimeError("whatever a model says when calls are skipped")


@pytest.mark.parametrize(
    "other", [wrong_values, wrong_order, wrong_shape, nothing_moves, wears_off, refuses]
)
def test_a_way_that_is_not_exact_is_not_taken(other: Callable[[AttentionTrace], Way]) -> None:
    classifier = IdsClassifier(build("bert"), "bert")
    model = InterceptedModel(classifier, examples(), ways=(("wrong", other), ("right", full)))
    findings = model.describe().findings
    assert findings is not None
    assert findings.replay == "right"


def bent(weights: Tensor) -> Tensor:
    """Some logits of each variant, with a bend."""
    return weights.square().flatten(2).cumsum(-1)[..., :3].tanh()


@pytest.mark.parametrize("step", [1, 3, 30])
def test_portions_change_neither_values_nor_gradients(step: int) -> None:
    whole = torch.rand(2, 7, 3, 1, 5, requires_grad=True)
    portioned = whole.detach().clone().requires_grad_()
    expected, seen = bent(whole), divided(bent, step)(portioned)
    assert torch.equal(seen, expected)
    (gradient,) = torch.autograd.grad(seen.prod(), portioned)
    (expected_gradient,) = torch.autograd.grad(expected.prod(), whole)
    assert torch.allclose(gradient, expected_gradient)


def test_a_portion_has_no_more_variants_than_allowed() -> None:
    sizes: list[int] = []

    def counting(weights: Tensor) -> Tensor:
        sizes.append(weights.shape[1])
        return bent(weights)

    divided(counting, size=3)(torch.rand(2, 7, 3, 1, 5))
    assert sizes == [3, 3, 1]
