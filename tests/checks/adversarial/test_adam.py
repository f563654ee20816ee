"""Adam in few calls against PyTorch's."""

import torch

from attn_audit.checks.adversarial.adam import LEARNING_RATE, Adam


def test_steps_are_pytorchs() -> None:
    generator = torch.Generator().manual_seed(0)
    found = torch.randn(4, 7, dtype=torch.float64, generator=generator)
    expected = found.clone().requires_grad_()
    adam = Adam(found)
    theirs = torch.optim.Adam([expected], lr=LEARNING_RATE, amsgrad=True)
    for scale in (1e-6, 1.0, 100.0, *[0.01] * 40):
        gradient = scale * torch.randn(4, 7, dtype=torch.float64, generator=generator)
        adam.step(gradient)
        expected.grad = gradient
        theirs.step()
        assert torch.allclose(found, expected.detach(), rtol=0, atol=1e-10)


def test_where_there_is_no_gradient_nothing_moves() -> None:
    parameter = torch.ones(3)
    Adam(parameter).step(torch.zeros(3))
    assert parameter.equal(torch.ones(3))


def test_a_gradient_may_have_any_layout() -> None:
    gradient = torch.arange(6.0).reshape(2, 3)
    expected, found = torch.zeros(2, 3), torch.zeros(2, 3)
    Adam(expected).step(gradient)
    Adam(found).step(gradient.T.contiguous().T)
    assert found.equal(expected)
