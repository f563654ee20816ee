"""Whose query row is read out: found by gradient, and put into words."""

import pytest
import torch

from attn_audit.models.interception.classifier import ModelInputs
from attn_audit.models.interception.readout import ReadoutRule, find_rule, rows_by_rule
from tests.models.interception.matrix import audited, over_architectures
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
