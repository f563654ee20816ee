"""Whose query row is read out: found by gradient, and put into words."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from attn_audit.models.contract import RowChoice, Site
from attn_audit.models.interception.classifier import ModelInputs
from attn_audit.models.interception.readout import ReadoutRule, find_rule, rows_by_rule
from tests.models.interception.matrix import (
    assert_close,
    audited,
    over_architectures,
    padded_batch,
    read,
)
from tests.models.interception.passes import random_attention
from tests.models.interception.toys import LstmToy, audited_toy
from tests.models.interception.zoo import READOUT

REAL_RIGHT = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]], dtype=torch.bool)
REAL_LEFT = REAL_RIGHT.flip(1)

IN_WORDS = {
    "first": ReadoutRule.FIRST,
    "last": ReadoutRule.LAST,
    "all": ReadoutRule.ALL,
    "found": ReadoutRule.FOUND,
}


@over_architectures
def test_the_readout_of_every_architecture_is_found(name: str) -> None:
    findings = audited(name).describe().findings
    assert findings is not None
    assert findings.readout == IN_WORDS[READOUT[name]]


def inputs_with(real: torch.Tensor) -> ModelInputs:
    return ModelInputs((), {}, torch.zeros(real.shape, dtype=torch.long), real)


@pytest.mark.parametrize(
    ("rule", "real", "expected"),
    [
        (ReadoutRule.FIRST, REAL_RIGHT, [[0], [0]]),
        (ReadoutRule.FIRST, REAL_LEFT, [[0], [2]]),
        (ReadoutRule.LAST, REAL_RIGHT, [[3], [1]]),
        (ReadoutRule.LAST, REAL_LEFT, [[3], [3]]),
        (ReadoutRule.ALL, REAL_RIGHT, [[0, 1, 2, 3], [0, 1]]),
        (ReadoutRule.ALL, REAL_LEFT, [[0, 1, 2, 3], [2, 3]]),
    ],
)
def test_a_rule_names_rows_wherever_the_padding_is(
    rule: ReadoutRule, real: torch.Tensor, expected: list[list[int]]
) -> None:
    inputs = inputs_with(real)
    rows, is_row = rows_by_rule(rule, inputs.real)
    assert [row[mask].tolist() for row, mask in zip(rows, is_row, strict=True)] == expected
    reaching = torch.zeros_like(real).scatter(1, rows, is_row)
    assert find_rule(reaching, inputs.real) is rule


def test_one_row_is_the_only_one() -> None:
    assert (
        find_rule(torch.ones(2, 1, dtype=torch.bool), torch.ones(2, 1, dtype=torch.bool))
        is ReadoutRule.ONLY
    )


def test_rows_without_a_rule_are_found_for_each_text() -> None:
    reaching = torch.tensor([[0, 1, 1, 0], [0, 1, 0, 0]], dtype=torch.bool)
    assert find_rule(reaching, inputs_with(REAL_RIGHT).real) is ReadoutRule.FOUND


def test_a_text_whose_output_is_saturated_says_nothing_about_the_rule() -> None:
    reaching = torch.tensor([[0, 0, 0, 1], [0, 0, 0, 0]], dtype=torch.bool)
    assert find_rule(reaching, inputs_with(REAL_RIGHT).real) is ReadoutRule.LAST


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
