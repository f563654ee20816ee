import torch

from attn_audit.models.attention_pooling.fast_tanh import fast_tanh

VALUES = torch.linspace(-30, 30, 10_001)


def test_is_the_hyperbolic_tangent_to_rounding() -> None:
    with torch.no_grad():
        assert (fast_tanh(VALUES).double() - VALUES.double().tanh()).abs().max() < 2e-7
        torch.testing.assert_close(
            fast_tanh(VALUES.double()), VALUES.double().tanh(), rtol=0, atol=1e-15
        )


def test_has_its_gradient() -> None:
    values = VALUES.double().requires_grad_()
    (gradient,) = torch.autograd.grad(fast_tanh(values).sum(), values)
    torch.testing.assert_close(gradient, 1 - values.detach().tanh().square())


def test_leaves_its_argument_alone() -> None:
    values = VALUES.clone()
    with torch.no_grad():
        fast_tanh(values)
    assert torch.equal(values, VALUES)
