"""Adam with the largest second moment (AMSGrad): PyTorch's, without the optimiser around it."""

import torch
from torch import Tensor
from torch.optim.adam import adam

LEARNING_RATE = 0.01
"""Source: the paper's released code."""


class Adam:
    """Does what `torch.optim.Adam(lr=0.01, amsgrad=True, fused=True)` does to one tensor.

    That class looks after hooks, groups and graphs, which costs as much again as the step itself.

    Source: Kingma & Ba (2015), algorithm 1; Reddi, Kale & Kumar (2018), algorithm 2.
    """

    def __init__(self, parameter: Tensor) -> None:
        """Start.

        Args:
            parameter: Contiguous; changed in place by each step.
        """
        self._parameters = [parameter]
        self._first, self._second, self._largest = ([torch.zeros_like(parameter)] for _ in range(3))
        self._steps = [torch.zeros((), dtype=torch.float32, device=parameter.device)]

    def step(self, gradient: Tensor) -> None:
        """One step down the gradient.

        Args:
            gradient: Of what is to become small, in the parameter.
        """
        adam(
            self._parameters,
            [gradient.contiguous()],  # the fused step goes through all tensors alike
            self._first,
            self._second,
            self._largest,
            self._steps,
            fused=True,
            amsgrad=True,
            beta1=0.9,
            beta2=0.999,
            lr=LEARNING_RATE,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
