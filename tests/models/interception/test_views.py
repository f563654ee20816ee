"""Attention weights of every layout as (batch, head, query, key), and back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from attn_audit.models.interception.views import WeightsView

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
