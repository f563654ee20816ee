"""The cheapest way of replay that a trial proves equal to whole passes."""

from collections.abc import Callable

import pytest
from torch import Tensor, nn

from attn_audit.models.contract import Site
from attn_audit.models.interception.attention_point import Reached, Way
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.interception.ways import full
from tests.models.interception.matrix import (
    assert_close,
    audited,
    over_architectures,
    padded_batch,
    read,
)
from tests.models.interception.zoo import IdsClassifier, build, examples

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


@over_architectures
def test_before_the_last_layer_the_last_computes_one_row_alone(name: str) -> None:
    model, sizes = audited(name), list[int]()
    if name in RESUMES or model.default_site.layer == 0:
        pytest.skip(RESUMES.get(name, "has one layer"))
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


def wrong_values(reached: Reached) -> Way:
    return lambda weights: full(reached)(weights) * 1.01


def wrong_order(reached: Reached) -> Way:
    """Right for one variant, wrong for several."""
    return lambda weights: full(reached)(weights).flip(1)


def wrong_shape(reached: Reached) -> Way:
    return lambda weights: full(reached)(weights)[:, :1]


def nothing_moves(reached: Reached) -> Way:
    return lambda weights: full(reached)(reached.weights.unsqueeze(1).expand_as(weights))


def refuses(reached: Reached) -> Way:
    raise RuntimeError("whatever a model says when calls are skipped")


@pytest.mark.parametrize("way", [wrong_values, wrong_order, wrong_shape, nothing_moves, refuses])
def test_a_way_that_is_not_exact_is_not_taken(way: Callable[[Reached], Way]) -> None:
    classifier = IdsClassifier(build("bert"), "bert")
    model = InterceptedModel(classifier, examples(), ways=(("wrong", way), ("right", full)))
    findings = model.describe().findings
    assert findings is not None
    assert findings.replay == "right"
