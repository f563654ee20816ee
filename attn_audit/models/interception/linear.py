"""Whether the logits are linear in the attention weights, found by trial."""

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.models.base import LinearReadout, Replay
from attn_audit.shapes import UnitMask

N_MIXTURES = 16
"""Mixtures of two one-unit distributions for each text of the trial: the ends of the simplex, where
a bend behind the pooling (a ReLU, a tanh) shows most."""

MAX_ERROR = 1e-4
"""Of the largest difference between two logits of the trial."""


@torch.no_grad()
def is_linear(replay: Replay, unit_mask: UnitMask) -> bool:
    """Whether logits of mixtures are mixtures of logits.

    Args:
        replay: Of an attention with one row, over a few texts.
        unit_mask: Their units.

    Returns:
        False too where attention hardly moves the logits, and nothing can be told.
    """
    n_batch, n_units = unit_mask.shape
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(2, n_batch, N_MIXTURES, n_units, generator=generator).to(unit_mask.device)
    ends = (scores * unit_mask.unsqueeze(1)).argmax(dim=-1)
    first, second = torch.nn.functional.one_hot(ends, n_units).float().unbind()
    share = torch.rand(n_batch, N_MIXTURES, 1, generator=generator).to(unit_mask.device)
    weights = torch.cat([first, second, share * first + (1 - share) * second], dim=1)
    logits = replay(weights.unsqueeze(2)).double()
    one, other, mixed = torch.split(logits, N_MIXTURES, dim=1)
    expected = share * one + (1 - share) * other
    effect = float((one - other).abs().max())
    error = float((mixed - expected).abs().max())
    return effect > 0 and error <= MAX_ERROR * effect


@torch.no_grad()
def read_out_units(
    replay: Replay, unit_mask: UnitMask, mass: Float[Tensor, " batch"]
) -> LinearReadout:
    """The unit logits of a linear readout: what one-unit distributions give.

    Args:
        replay: Of an attention with one row.
        unit_mask: The units.
        mass: Share of the row's attention on them.
    """
    n_batch, n_units = unit_mask.shape
    ones = torch.eye(n_units, device=unit_mask.device).expand(n_batch, -1, -1)
    logits = replay(ones.unsqueeze(2))
    # logits = offset + mass * v for each unit; as weights sum to 1, all of it may count as v.
    finite = torch.where(logits.isfinite(), logits, 0)
    offset = torch.where(logits[:, 0].isfinite(), torch.zeros_like(logits[:, 0]), -torch.inf)
    tiny = torch.finfo(mass.dtype).tiny
    return LinearReadout(offset, finite / mass.clamp_min(tiny)[:, None, None].to(finite))
