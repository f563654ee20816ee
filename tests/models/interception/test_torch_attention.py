"""Attention by `torch.nn.MultiheadAttention`, which hides its inside from a mode."""

import pytest
import torch
from torch import Tensor

from attn_audit.models.contract import RowChoice, Site
from tests.models.interception.matrix import assert_close, padded_batch, read
from tests.models.interception.passes import random_attention
from tests.models.interception.toys import HEADS, HIDDEN, MultiheadToy, TorchToy, audited_toy

by_layout = pytest.mark.parametrize(
    "batch_first", [True, False], ids=["batch first", "batch second"]
)


@pytest.mark.parametrize("need_weights", [True, False])
@by_layout
def test_weights_are_those_that_torch_returns(batch_first: bool, need_weights: bool) -> None:
    toy = MultiheadToy(batch_first, need_weights)
    model = audited_toy(toy)
    batch = padded_batch(model)
    reading = read(model, batch, Site(0, rows=RowChoice.ALL))
    real = batch.inputs.real
    embedded = toy.embedding(batch.inputs.keywords["input_ids"])
    embedded = embedded if batch_first else embedded.transpose(0, 1)
    with torch.no_grad():
        _, weights = toy.attention(
            embedded, embedded, embedded, key_padding_mask=~real, average_attn_weights=False
        )
    seen = by_head(reading.attention).transpose(1, 2)[real]
    assert_close(seen, weights.transpose(1, 2)[real], 1e-6)


@pytest.mark.parametrize("need_weights", [True, False])
@by_layout
def test_replay_mixes_the_values_of_every_head(batch_first: bool, need_weights: bool) -> None:
    toy = MultiheadToy(batch_first, need_weights)
    model = audited_toy(toy)
    batch = padded_batch(model)
    reading = read(model, batch)
    assert reading.row_mask.sum() == HEADS * batch.inputs.real.sum()  # mean pooling
    attention = random_attention(reading, 3)
    assert_close(
        reading.replay(attention),
        mixed(toy, batch.inputs.keywords["input_ids"], batch.inputs.real, attention),
    )


def by_head(rows: Tensor) -> Tensor:
    """(batch ... head query unit) from (batch ... row unit)."""
    return rows.reshape(*rows.shape[:-2], HEADS, -1, rows.shape[-1])


@torch.no_grad()
def mixed(toy: MultiheadToy, ids: Tensor, real: Tensor, attention: Tensor) -> Tensor:
    """Logits under (batch variant head*query key) attention, written out."""
    weight, bias = toy.attention.in_proj_weight[-HIDDEN:], toy.attention.in_proj_bias[-HIDDEN:]
    values = (toy.embedding(ids) @ weight.T + bias).reshape(*ids.shape, HEADS, -1)
    mixture = torch.einsum("bvhqk,bkhd->bvqhd", by_head(attention), values)
    hidden = toy.attention.out_proj(mixture.flatten(-2))
    share = real.unsqueeze(-1) / real.sum(1)[:, None, None]
    logits: Tensor = toy.head((hidden.tanh() * share.unsqueeze(1)).sum(2))
    return logits


@by_layout
def test_every_layer_of_a_torch_encoder_is_seen_and_replayed(batch_first: bool) -> None:
    toy = TorchToy(batch_first)
    model = audited_toy(toy)
    assert [layer.n_heads for layer in model.layers] == [HEADS, HEADS]
    batch = padded_batch(model)
    for layer in range(2):
        reading = read(model, batch, Site(layer))
        attention = random_attention(reading, 2)
        assert_close(reading.replay(reading.attention.unsqueeze(1))[:, 0], reading.logits)
        assert not torch.allclose(reading.replay(attention)[:, 0], reading.logits, atol=1e-3)


@by_layout
def test_texts_are_erased_on_torchs_own_fast_path(batch_first: bool) -> None:
    model = audited_toy(TorchToy(batch_first))
    batch = padded_batch(model)
    keep = torch.stack([batch.unit_mask, batch.unit_mask.clone()], dim=1)
    keep[:, 1, 2] = False
    erased = model.erase(batch, keep)
    assert_close(erased[:, 0], read(model, batch).logits)
    for i, encoded in enumerate(batch.encoded):
        inputs = model.collate([encoded]).inputs
        with torch.no_grad():
            logits = model.classifier.logits(model.classifier.mask(inputs, inputs.units == 2))
        assert_close(erased[i, 1:], logits)
