"""Adam with the largest second moment (AMSGrad), in few calls and with nothing around them."""

import torch
from torch import Tensor

LEARNING_RATE = 0.01
"""Source: the paper's released code."""

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Adam:
    """Does what `torch.optim.Adam(lr=0.01, amsgrad=True)` does to one tensor.

    Source: Kingma & Ba (2015), algorithm 1; Reddi, Kale & Kumar (2018), algorithm 2.
    """

    def __init__(self, parameter: Tensor) -> None:
        """Start.

        Args:
            parameter: Changed in place by each step.
        """
        self._parameter = parameter
        self._first, self._second, self._largest, self._scratch = (
            torch.zeros_like(parameter) for _ in range(4)
        )
        self._n_steps = 0

    def step(self, gradient: Tensor) -> None:
        """One step down the gradient.

        Args:
            gradient: Of what is to become small, in the parameter.
        """
        self._n_steps += 1
        bias_1, bias_2 = (1 - beta**self._n_steps for beta in BETAS)
        self._first.lerp_(gradient, 1 - BETAS[0])
        self._second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        torch.maximum(self._largest, self._second, out=self._largest)
        # Both bias corrections go into the two scalars: root / sqrt(bias_2) + EPSILON.
        root = torch.sqrt(self._largest, out=self._scratch).add_(EPSILON * bias_2**0.5)
        self._parameter.addcdiv_(self._first, root, value=-LEARNING_RATE * bias_2**0.5 / bias_1)
