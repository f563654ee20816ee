"""A readout that is linear in the attention is found, and only such a one."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from attn_audit.models.base import RowChoice, Site
from tests.models.interception.matrix import assert_close, audited, padded_batch, read
from tests.models.interception.passes import random_attention
from tests.models.interception.toys import LstmToy, audited_toy

LAYOUTS = ("batch key", "batch 1 key", "batch key 1")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("is_packed", [False, True], ids=["padded", "packed"])
def test_a_linear_readout_gives_the_logits_of_any_attention(layout: str, is_packed: bool) -> None:
    model = audited_toy(LstmToy(layout, is_packed=is_packed), can_mask=False)
    assert model.describe().linear_readout
    reading = read(model, padded_batch(model))
    readout = reading.linear_readout
    assert readout is not None
    attention = random_attention(reading, 5)
    pooled = attention.squeeze(2) @ readout.unit_logits * reading.mass[:, None]
    assert_close(readout.offset.unsqueeze(1) + pooled, reading.replay(attention))


@pytest.mark.parametrize("behind", [torch.relu, torch.tanh, nn.Softplus(), torch.sin])
def test_a_bend_behind_the_pooling_is_noticed(behind: Callable[[Tensor], Tensor]) -> None:
    model = audited_toy(LstmToy(behind=behind), can_mask=False)
    assert not model.describe().linear_readout
    assert read(model, padded_batch(model)).linear_readout is None


def test_several_heads_are_not_linear() -> None:
    model = audited("bert")
    assert not model.describe().linear_readout
    assert read(model, padded_batch(model)).linear_readout is None


def test_one_head_before_a_transformer_block_is_not_linear() -> None:
    model = audited("bert")
    site = Site(model.default_site.layer, head=0, rows=RowChoice.READOUT)
    assert read(model, padded_batch(model), site).linear_readout is None
