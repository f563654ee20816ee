"""What torch says nothing of in its documentation, and interception rests on: all of it is here.

A test asks for each by name, so that a release of torch that changes one fails there first.
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch.nn.functional as F
from torch.utils._pytree import tree_flatten as flatten
from torch.utils._pytree import tree_unflatten as unflatten

__all__ = ["flatten", "inner_multi_head_attention", "unflatten"]

ASKS = "has_torch_function"
"""What `F.multi_head_attention_forward` asks whether a mode is active."""


def inner_multi_head_attention() -> Callable[..., Any]:
    """`F.multi_head_attention_forward` as a mode must run it.

    The original hands itself to the mode as a whole, so that its inside is never seen; this copy
    does not ask whether a mode is active.
    """
    original = F.multi_head_attention_forward
    assert isinstance(original, FunctionType)
    assert ASKS in original.__globals__
    names = {**original.__globals__, ASKS: lambda arguments: False}
    copy = FunctionType(original.__code__, names, original.__name__, original.__defaults__)
    copy.__kwdefaults__ = original.__kwdefaults__
    return copy
