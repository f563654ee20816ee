"""Attention weights of every layout as (batch, head, query, key), and back."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from attn_audit.errors import AuditFailedError
from attn_audit.models.interception.attention_calls import (
    ASKS,
    WeightsView,
    inner_multi_head_attention,
    write_out,
)

LAYOUTS = ("batch key", "batch query key", "batch*head query key", "batch head query key")


def laid_out(weights: Tensor, layout: str, axis: int) -> Tensor:
    """(batch head query key) weights as a model may have them, the keys along any axis."""
    n_batch, n_heads, n_queries, n_keys = weights.shape
    outer = {
        "batch key": (n_batch,),
        "batch query key": (n_batch, n_queries),
        "batch*head query key": (n_batch * n_heads, n_queries),
        "batch head query key": (n_batch, n_heads, n_queries),
    }[layout]
    return weights.reshape(*outer, n_keys).movedim(-1, axis)


@given(data=st.data(), layout=st.sampled_from(LAYOUTS))
def test_closing_undoes_opening_in_every_layout(data: st.DataObject, layout: str) -> None:
    size = st.integers(1, 4)
    n_heads = data.draw(size) if "head" in layout else 1
    n_queries = data.draw(size) if "query" in layout else 1
    weights = torch.rand(data.draw(size), n_heads, n_queries, data.draw(st.integers(1, 6)))
    n_axes = len(layout.split())
    axis = data.draw(st.integers(1, n_axes - 1) | st.integers(1 - n_axes, -1))
    own = laid_out(weights, layout, axis)
    view = WeightsView.of(own, axis, len(weights))
    assert view is not None
    assert view.shape == weights.shape
    assert torch.equal(view.open(own), weights)
    assert torch.equal(view.close(weights), own)


@pytest.mark.parametrize("broadcast", [(1, 3, 2, 5), (4, 1, 2, 5), (4, 3, 1, 5), (1, 1, 1, 5)])
def test_scores_that_are_broadcast_are_opened_whole(broadcast: tuple[int, ...]) -> None:
    view = WeightsView.of(torch.rand(4, 3, 2, 5), -1, 4)
    assert view is not None
    scores = torch.rand(broadcast)
    assert torch.equal(view.open(scores), scores.expand(4, 3, 2, 5))


@pytest.mark.parametrize("shape", [(5,), (3, 7), (2, 4, 3, 2, 7), (3, 2, 2, 7)])
def test_other_layouts_are_unknown(shape: tuple[int, ...]) -> None:
    assert WeightsView.of(torch.rand(shape), -1, 2) is None


QUERIES, KEYS = 4, 6


def float_mask(queries: int, keys: int) -> Tensor:
    return torch.rand(queries, keys).masked_fill(torch.rand(queries, keys) < 0.5, -torch.inf)


@given(
    seed=st.integers(0, 1000),
    mask=st.sampled_from(["none", "bool", "float", "causal"]),
    n_shared=st.sampled_from([1, 2, 4]),
    scale=st.sampled_from([None, 0.3]),
)
def test_written_out_it_is_the_same_product(
    seed: int, mask: str, n_shared: int, scale: float | None
) -> None:
    torch.manual_seed(seed)
    query = torch.randn(2, 4, QUERIES, 8)
    key, value = torch.randn(2, 2, 4 // n_shared, KEYS, 8).unbind()
    options: dict[str, Any] = {
        "is_causal": mask == "causal",
        "scale": scale,
        "enable_gqa": n_shared > 1,
    }
    attn_mask = {
        "bool": torch.rand(2, 1, QUERIES, KEYS) < 0.5,
        "float": float_mask(QUERIES, KEYS),
    }.get(mask)
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask, **options)
    written = write_out(query, key, value, attn_mask, **options)
    assert torch.allclose(written.weights @ written.values, expected, atol=1e-5)


@pytest.mark.parametrize("masked", [False, -torch.inf], ids=["bool", "float"])
def test_a_row_that_may_attend_to_nothing_attends_to_nothing(masked: bool | float) -> None:
    query, key, value = torch.randn(3, 1, 2, QUERIES, 8).unbind()
    mask = torch.ones(QUERIES, QUERIES, dtype=torch.bool if masked is False else torch.float32)
    mask[1] = masked
    written = write_out(query, key, value, mask)
    assert torch.equal(written.weights[:, :, 1], torch.zeros(1, 2, QUERIES))
    assert torch.isfinite(written.scores).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_have_the_type_of_the_values(dtype: torch.dtype) -> None:
    query, key, value = torch.randn(3, 1, 2, QUERIES, 8, dtype=dtype).unbind()
    written = write_out(query, key, value, is_causal=True)
    assert written.weights.dtype == dtype
    expected = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    tolerance = 1e-12 if dtype is torch.float64 else 0.02
    assert torch.allclose(written.weights @ written.values, expected, atol=tolerance)


def test_dropout_in_eval_mode_is_an_error() -> None:
    query, key, value = torch.randn(3, 1, 2, QUERIES, 8).unbind()
    with pytest.raises(AuditFailedError, match=r"dropout \(0.1\)"):
        write_out(query, key, value, dropout_p=0.1)


def test_multi_head_attention_forward_asks_has_torch_function_and_can_be_copied() -> None:
    assert ASKS in F.multi_head_attention_forward.__globals__
    copy = inner_multi_head_attention()
    assert copy.__globals__[ASKS](()) is False
    assert nn.MultiheadAttention(4, 2)(*[torch.ones(3, 1, 4)] * 3)[0].shape == (3, 1, 4)
