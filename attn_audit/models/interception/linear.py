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


def read_out_units(
    replay: Replay,
    attention: Float[Tensor, "batch unit"],
    mass: Float[Tensor, " batch"],
) -> LinearReadout:
    """The unit logits of a linear readout: its logits, moved to one unit along their gradient.

    One backward pass for each label, in place of a replay for each unit.

    Args:
        replay: Of an attention with one row.
        attention: The model's own over the units; any other would do.
        mass: Share of the row's attention on them.
    """
    with torch.enable_grad():
        own = attention.detach().clone().requires_grad_()
        logits = replay(own[:, None, None])[:, 0]
        slopes = [
            torch.autograd.grad(of_label.sum(), own, retain_graph=True)[0]
            for of_label in logits.unbind(dim=1)
        ]
    slope = torch.stack(slopes, dim=-1)
    at_own = torch.einsum("bu,bul->bl", attention, slope)
    # logits = offset + mass * v for each unit; as weights sum to 1, all of it may count as v.
    is_finite = logits.detach().isfinite()
    offset = torch.where(is_finite, 0, -torch.inf).to(logits)
    units = torch.where(is_finite, logits.detach() - at_own, 0).unsqueeze(1) + slope
    tiny = torch.finfo(mass.dtype).tiny
    return LinearReadout(offset, units / mass.clamp_min(tiny)[:, None, None].to(units))
