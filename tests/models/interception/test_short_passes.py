"""Passes of which only the row that is read out is computed to the end, against whole ones."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attn_audit.models.interception.module_calls import UnknownLayoutError
from attn_audit.models.interception.readout import ONE_ROW
from attn_audit.models.interception.short_passes import (
    Projection,
    ReadoutPass,
    RowAttention,
    are_equal,
    projections_of,
)
from tests.models.interception.matrix import audited, over_architectures, padded_batch
from tests.models.interception.zoo import POOLS

CUTS = ("bert", "roberta", "distilbert", "gpt2", "llama", "mistral")
"""Kinds whose last layer is known to be cut."""

PROJECTED = ("bert", "roberta", "distilbert")
"""Those of them of which a linear layer makes each of queries, keys and values, as it is taken."""


@over_architectures
def test_it_is_the_whole_pass_or_is_not_taken(name: str) -> None:
    model = audited(name)
    inputs = padded_batch(model).inputs
    short = ReadoutPass(model._survey).proved([inputs])
    assert short or name not in CUTS
    if short is None:
        return
    assert name not in POOLS
    assert model._survey.rule in ONE_ROW
    assert name not in PROJECTED or short.projections is not None
    with torch.no_grad():
        assert torch.allclose(short.logits(inputs), model.classifier.logits(inputs), atol=1e-5)


def test_what_is_not_computed_is_never_read_in_silence() -> None:
    """A layer that reads its values once more where a trial did not see it."""
    model = audited("bert")
    inputs = padded_batch(model).inputs
    short = ReadoutPass(model._survey).proved([inputs])
    assert short is not None
    assert short.projections is not None
    value, output = short.projections[2].layer, model._survey.points[-1].follower
    assert output is not None
    seen: list[Tensor] = []

    def add(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        same = [values for values in seen if values.shape[:2] == args[0].shape[:2]]
        return (args[0] + same[-1],)

    with (
        torch.no_grad(),
        value.register_forward_hook(lambda module, args, out: seen.append(out)),
        output.register_forward_pre_hook(add),
    ):
        whole = model.classifier.logits(inputs)
        assert torch.allclose(short.logits(inputs), whole, atol=1e-5)


def test_equal_is_what_rounding_leaves() -> None:
    logits = torch.tensor([[1.0, -1.0], [2.0, 0.5]])
    assert are_equal(logits + 1e-7, logits)
    assert not are_equal(logits + 1e-4, logits)
    assert not are_equal(logits * torch.nan, logits)
    same = torch.ones(3, 2)
    assert not are_equal(same + 1e-6, same)


N_HEADS, SIZE, WIDTH = 3, 4, 7
AT = torch.tensor([0, 4])


def masks() -> dict[str, dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)
    allowed = torch.rand(2, 1, 5, 5, generator=generator) < 0.6
    allowed[..., 0] = True
    scores = torch.randn(2, N_HEADS, 5, 5, generator=generator)
    return {
        "none": {},
        "allowed": {"attn_mask": allowed},
        "of all queries alike": {"attn_mask": allowed[:, :, :1]},
        "scores": {"attn_mask": scores, "scale": 0.3},
        "causal": {"is_causal": True},
    }


@pytest.mark.parametrize("given", masks().values(), ids=masks())
@pytest.mark.parametrize("is_projected", [True, False])
def test_one_row_is_that_of_the_whole_product(given: dict[str, Any], is_projected: bool) -> None:
    torch.manual_seed(0)
    states = torch.randn(2, 5, WIDTH)
    features = torch.arange(N_HEADS * SIZE).reshape(SIZE, N_HEADS).T  # heads are not neighbours
    layers = [nn.Linear(WIDTH, N_HEADS * SIZE) for _ in range(3)]
    query, key, value = (Projection(layer, (id(layer), 0), features) for layer in layers)
    heads = [layer(states)[:, :, features].transpose(1, 2) for layer in layers]
    row = RowAttention(AT, (query, key, value) if is_projected else None)
    with torch.no_grad(), row.without_projections():
        made = [layer(states) for layer in layers]
        assert all(out.isnan().all() for out in made) == is_projected
        found = row.product(*heads, **given)
    expected = F.scaled_dot_product_attention(*heads, **given)
    assert found.shape == expected.shape
    rows = torch.arange(2)
    torch.testing.assert_close(found[rows, :, AT], expected[rows, :, AT], atol=1e-6, rtol=1e-5)
    assert layers[0](states).isfinite().all()


def test_projections_are_found_where_they_are_taken_as_they_are() -> None:
    model = audited("bert")
    found = projections_of(model._survey, padded_batch(model).inputs)
    own = dict(model.module.named_modules())
    names = [next(n for n, m in own.items() if m is p.layer).rpartition(".")[2] for p in found]
    assert names == ["query", "key", "value"]
    turned = audited("llama")  # turned by their places
    with pytest.raises(UnknownLayoutError):
        projections_of(turned._survey, padded_batch(turned).inputs)
