"""How finely a model computes: what rounding is reckoned by."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def coarsest_dtype(module: nn.Module) -> torch.dtype:
    """The coarsest of a module's weights: no number that it gives is finer than these.

    Quantised weights, of 8 bits and less, are multiplied in the precision of the others. A module
    without weights computes in float32.

    Example:
        >>> coarsest_dtype(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).half()))
        torch.float16
    """
    return coarsest_of(module.parameters(), torch.float32)


def coarsest_of(tensors: Iterable[Tensor], default: torch.dtype) -> torch.dtype:
    """The coarsest floating-point numbers of some tensors, quantised ones left aside.

    Example:
        >>> coarsest_of([torch.ones(2), torch.ones(2).bfloat16(), torch.arange(2)], torch.float32)
        torch.bfloat16
    """
    kinds = {t.dtype for t in tensors if t.is_floating_point() and t.element_size() > 1}
    return max(kinds, key=lambda kind: torch.finfo(kind).eps, default=default)


def coarseness(dtype: torch.dtype) -> float:
    """How many times as wide as float32's the spacing of numbers near 1 is.

    Example:
        >>> coarseness(torch.float32), coarseness(torch.bfloat16), coarseness(torch.float16)
        (1.0, 65536.0, 8192.0)
    """
    return torch.finfo(dtype).eps / torch.finfo(torch.float32).eps
