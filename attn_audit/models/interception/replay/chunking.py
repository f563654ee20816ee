"""Many variants in portions that fit into memory and cache."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from attn_audit.models.interception.replay.imposing import VariantLogits, Way, Weights
from attn_audit.progress import portions


def in_portions(way: Way, step: int) -> Way:
    """The same replay, a few variants at a time; differentiable in the memory of one portion.

    Args:
        way: How variants are replayed.
        step: How many go through the model at once.
    """

    def replay(weights: Weights) -> VariantLogits:
        parts = torch.split(weights, step, dim=1)
        if len(parts) == 1:
            return way(weights)
        if not (torch.is_grad_enabled() and weights.requires_grad):
            return torch.cat([way(part) for part in portions(parts)], dim=1)
        # Each portion's graph is built again when it is needed, and only then.
        logits: list[Tensor] = [
            checkpoint(way, part, use_reentrant=False) for part in portions(parts)
        ]
        return torch.cat(logits, dim=1)

    return replay
