"""Many variants in portions that fit into memory and cache."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from attn_audit.models.interception.replay.imposing import VariantLogits, Way, Weights

MAX_POSITIONS = 8192
"""Positions of all variants together that go through the model at once."""


def in_portions(way: Way, positions_per_variant: int) -> Way:
    """The same replay, a few variants at a time; differentiable in the memory of one portion.

    Args:
        way: How variants are replayed.
        positions_per_variant: What one variant of the whole batch pushes through the model.
    """
    step = max(1, MAX_POSITIONS // positions_per_variant)

    def replay(weights: Weights) -> VariantLogits:
        portions = torch.split(weights, step, dim=1)
        if len(portions) == 1:
            return way(weights)
        if not (torch.is_grad_enabled() and weights.requires_grad):
            return torch.cat([way(portion) for portion in portions], dim=1)
        # Each portion's graph is built again when it is needed, and only then.
        logits: list[Tensor] = [
            checkpoint(way, portion, use_reentrant=False) for portion in portions
        ]
        return torch.cat(logits, dim=1)

    return replay
