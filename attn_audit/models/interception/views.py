"""Attention weights of any shape as (batch, head, query, key), and back."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class WeightsView:
    """How one attention's weights are laid out.

    Known layouts, with the softmax along any axis: (batch, key), (batch, query, key),
    (batch * head, query, key), (batch, head, query, key).
    """

    axis: int
    """The softmax's own axis, counted from the end."""
    outer: torch.Size
    """Sizes of the other axes, in the model's order."""
    shape: tuple[int, int, int, int]
    """Batch, head, query, key."""

    @staticmethod
    def of(weights: Tensor, axis: int, n_batch: int) -> "WeightsView | None":
        """The layout of weights; None where it is none of the known ones.

        Args:
            weights: As the model computes them.
            axis: Along which they sum to 1.
            n_batch: Rows of the batch.
        """
        axis = axis - weights.dim() if axis >= 0 else axis
        *outer, n_keys = weights.movedim(axis, -1).shape
        match outer:
            case [n] if n == n_batch:
                shape = (n, 1, 1, n_keys)
            case [n, n_queries] if n == n_batch:
                shape = (n, 1, n_queries, n_keys)
            case [n, n_queries] if n % n_batch == 0:
                shape = (n_batch, n // n_batch, n_queries, n_keys)
            case [n, n_heads, n_queries] if n == n_batch:
                shape = (n, n_heads, n_queries, n_keys)
            case _:
                return None
        return WeightsView(axis, torch.Size(outer), shape)

    def open(self, weights: Tensor) -> Tensor:
        """(batch, head, query, key); also of scores that are broadcast over some axes."""
        whole = (*self.outer, self.shape[-1])
        return weights.movedim(self.axis, -1).expand(whole).reshape(self.shape)

    def close(self, weights: Tensor) -> Tensor:
        """The model's own layout.

        Args:
            weights: (batch, head, query, key).
        """
        own = weights.reshape(*self.outer, self.shape[-1])
        return own.movedim(-1, self.axis).contiguous()
