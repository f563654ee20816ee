"""Variants in portions: the same values and gradients, in the memory of one portion."""

import pytest
import torch
from torch import Tensor

from attn_audit.models.interception.replay import divided


def way(weights: Tensor) -> Tensor:
    """Some logits of each variant, with a bend."""
    return weights.square().flatten(2).cumsum(-1)[..., :3].tanh()


@pytest.mark.parametrize("step", [1, 3, 30])
def test_portions_change_neither_values_nor_gradients(step: int) -> None:
    whole = torch.rand(2, 7, 3, 1, 5, requires_grad=True)
    portioned = whole.detach().clone().requires_grad_()
    expected, seen = way(whole), divided(way, step)(portioned)
    assert torch.equal(seen, expected)
    (gradient,) = torch.autograd.grad(seen.prod(), portioned)
    (expected_gradient,) = torch.autograd.grad(expected.prod(), whole)
    assert torch.allclose(gradient, expected_gradient)


def test_a_portion_has_no_more_variants_than_allowed() -> None:
    sizes: list[int] = []

    def counting(weights: Tensor) -> Tensor:
        sizes.append(weights.shape[1])
        return way(weights)

    divided(counting, size=3)(torch.rand(2, 7, 3, 1, 5))
    assert sizes == [3, 3, 1]
