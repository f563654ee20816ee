"""Modules that are audited: in evaluation mode, without gradients, and as they were afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within: the module is in evaluation mode, and its parameters need no gradient.

    Args:
        module: Of the caller, who may want to go on training it.
    """
    trained = [each for each in module.modules() if each.training]
    learnt = [parameter for parameter in module.parameters() if parameter.requires_grad]
    module.eval().requires_grad_(False)
    try:
        yield
    finally:
        for each in trained:
            each.training = True
        for parameter in learnt:
            parameter.requires_grad_(True)
