"""Models in float64: for derivatives that rounding does not drown."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from attn_audit.models.interception.model import InterceptedModel
from tests.models.interception.matrix import padding_side
from tests.models.interception.zoo import IdsClassifier, build, examples

_CASTS = {Tensor.to, Tensor.float, Tensor.type, torch.softmax, F.softmax}


class NoFloat32(TorchFunctionMode):
    """Within: float64 stays float64, where norms and softmaxes would be computed in float32."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _CASTS and isinstance(args[0], Tensor) and args[0].dtype == torch.float64:
            if func is Tensor.float:
                return args[0]
            args = tuple(torch.float64 if a is torch.float32 else a for a in args)
            kwargs = {k: torch.float64 if v is torch.float32 else v for k, v in kwargs.items()}
        return func(*args, **kwargs)


@cache
def doubled(name: str) -> InterceptedModel:
    """An eager model of this architecture in float64; to be used within `NoFloat32`."""
    classifier = IdsClassifier(build(name, "eager").double(), name, padding_side(name))
    classifier.can_mask = False  # no gradient needs to know what masks do
    return InterceptedModel(classifier, examples())
