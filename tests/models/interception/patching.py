"""Attention seen and replaced by patching torch's softmax: shares nothing with the product.

Works on models that compute their attention eagerly, one four-dimensional softmax at a time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor


@contextmanager
def softmax_patched(change: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
    """Within: the model gets what `change` makes of each softmax.

    Args:
        change: Gets the number of the softmax in call order and its weights.
    """
    n_seen = 0

    def patched(
        scores: Tensor, dim: int = -1, _stacklevel: int = 3, dtype: torch.dtype | None = None
    ) -> Tensor:
        nonlocal n_seen
        scores = scores if dtype is None else scores.to(dtype)
        powers = (scores - scores.amax(dim, keepdim=True)).exp()
        weights = powers / powers.sum(dim, keepdim=True)
        if weights.dim() != 4:  # experts are chosen by a softmax too
            return weights
        n_seen += 1
        return change(n_seen - 1, weights)

    with pytest.MonkeyPatch.context() as patch:
        for owner in (F, torch, Tensor):
            patch.setattr(owner, "softmax", patched)
        yield


@contextmanager
def softmax_recorded() -> Iterator[list[Tensor]]:
    """Within: the weights of every softmax are collected, in call order."""
    seen: list[Tensor] = []

    def keep(number: int, weights: Tensor) -> Tensor:
        seen.append(weights)
        return weights

    with softmax_patched(keep):
        yield seen
