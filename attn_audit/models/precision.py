"""How finely a model computes: what rounding is reckoned by."""

import torch
from torch import nn


def coarsest_dtype(module: nn.Module) -> torch.dtype:
    """The coarsest of a module's weights: no number that it gives is finer than these.

    Quantised weights, of 8 bits and less, are multiplied in the precision of the others. A module
    without weights computes in float32.

    Example:
        >>> coarsest_dtype(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).half()))
        torch.float16
    """
    kinds = {p.dtype for p in module.parameters() if p.is_floating_point() and p.element_size() > 1}
    return max(kinds, key=lambda kind: torch.finfo(kind).eps, default=torch.float32)


def coarseness(dtype: torch.dtype) -> float:
    """How many times as wide as float32's the spacing of numbers near 1 is.

    Example:
        >>> coarseness(torch.float32), coarseness(torch.bfloat16), coarseness(torch.float16)
        (1.0, 65536.0, 8192.0)
    """
    return torch.finfo(dtype).eps / torch.finfo(torch.float32).eps
