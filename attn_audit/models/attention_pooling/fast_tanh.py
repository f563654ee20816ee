"""The hyperbolic tangent, at what a logistic function costs."""

import torch
from jaxtyping import Float
from torch import Tensor


def fast_tanh(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""Hyperbolic tangent, within 2e-7 in float32.

    .. math:: \tanh x = 2 \sigma(2 x) - 1

    On a CPU PyTorch takes six times as long for `tanh` as for `sigmoid`. Where gradients are wanted
    the further operations cost what is gained, so there it is `tanh` itself.

    Example:
        >>> fast_tanh(torch.tensor([0.0, 20.0]))
        tensor([0., 1.])
    """
    if torch.is_grad_enabled() or values.device.type != "cpu":
        return values.tanh()
    logistic = (values * 2).sigmoid_()
    return torch.add(logistic.new_tensor(-1), logistic, alpha=2, out=logistic)
