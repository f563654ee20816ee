"""Positions of texts side by side: which are whose, and in which order.

A text's positions are its start marker, its units, its end marker. Whatever stands behind the end
marker is padding and changes nothing.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

Lengths = Int[Tensor, " batch"]
"""Positions of each text, markers included."""
Embeddings = Float[Tensor, "batch position embedding"]
States = Float[Tensor, "batch position hidden"]
Summary = Float[Tensor, "batch hidden"]
"""One state for the whole text: what a question is compared by."""


def position_mask(lengths: Lengths, n_positions: int) -> Tensor:
    """True at the positions of a text, both markers included: batch by position."""
    return torch.arange(n_positions, device=lengths.device) < lengths.unsqueeze(1)


def inner_mask(lengths: Lengths, n_positions: int) -> Tensor:
    """True at the units alone: neither markers nor padding."""
    positions = torch.arange(n_positions, device=lengths.device)
    return (positions > 0) & (positions < lengths.unsqueeze(1) - 1)


def mirror(lengths: Lengths, n_positions: int) -> Int[Tensor, "batch position"]:
    """Which position stands where when each text is read backwards; padding stays behind.

    Args:
        lengths: Positions of each text.
        n_positions: Of all, padding included.
    """
    positions = torch.arange(n_positions, device=lengths.device)
    ends = lengths.unsqueeze(1)
    return torch.where(positions < ends, ends - 1 - positions, positions)
