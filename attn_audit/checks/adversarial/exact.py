"""The exact adversary: the global optimum over all attention with one linear constraint."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.checks.adversarial.witness import Witness
from attn_audit.distances import MAX_JSD, pair_term
from attn_audit.shapes import UnitMask

MAX_PAIRS = 2_000_000
"""Pairs of units in one expression: what bounds the memory of long texts."""


@dataclass(frozen=True)
class _Best:
    """The best distribution so far: weight on one unit, or on two."""

    jsd: Float64[Tensor, " batch"]
    first: Tensor
    second: Tensor
    weight: Float64[Tensor, " batch"]
    """Of the second unit; the first has the rest."""

    def at_least(self, other: "_Best") -> "_Best":
        """The better of two for each example; ties stay with this one."""
        better = other.jsd > self.jsd
        return _Best(
            torch.where(better, other.jsd, self.jsd),
            torch.where(better, other.first, self.first),
            torch.where(better, other.second, self.second),
            torch.where(better, other.weight, self.weight),
        )


def exact_adversary(
    attention: Float64[Tensor, "batch unit"],
    unit_logits: Float64[Tensor, "batch unit"],
    interval: Float64[Tensor, "batch 2"],
    unit_mask: UnitMask,
) -> Witness:
    """Find the attention farthest from `attention` whose logit stays within `interval`.

    Distance is the Jensen-Shannon divergence, convex in the adversary, so its maximum over the
    polytope {a' >= 0, sum a' = 1, lo <= sum a' v <= hi} lies at a vertex, and a vertex gives weight
    to one unit, or to two mixed so that the sum is exactly lo or hi. All of them are enumerated:
    the answer is the global optimum, not the best of a search. Ties go to the lowest index.

    Args:
        attention: The model's weights; rows sum to 1, padding is 0.
        unit_logits: v: what the logit would be with all attention on that unit.
        interval: lo and hi; infinite where the output cannot leave epsilon. The model's own
            attention must lie within.
        unit_mask: True where there is a unit.

    Returns:
        The optimum with one row of weights. Where the interval is so narrow that rounding leaves
        nothing in it, the model's own attention at divergence 0.

    Source:
        The problem: Jain & Wallace (2019), section 4.2.2. The vertex argument: this project.
    """
    best = _single_units(attention, unit_logits, interval, unit_mask)
    for side in (0, 1):
        best = best.at_least(_pairs(attention, unit_logits, interval[:, side], unit_mask))
    return _witness(attention, best)


def _single_units(
    attention: Tensor, unit_logits: Tensor, interval: Tensor, unit_mask: Tensor
) -> _Best:
    """All attention on one unit, where that keeps the logit within the interval."""
    inside = (unit_logits >= interval[:, :1]) & (unit_logits <= interval[:, 1:]) & unit_mask
    jsd = MAX_JSD + pair_term(attention, torch.ones_like(attention)) / 2
    value, unit = jsd.masked_fill(~inside, -torch.inf).max(dim=1)
    return _Best(value, unit, unit, torch.ones_like(value))


def _pairs(attention: Tensor, unit_logits: Tensor, bound: Tensor, unit_mask: Tensor) -> _Best:
    """Two units on either side of a finite bound, mixed to meet it exactly."""
    below = (unit_logits < bound[:, None]) & unit_mask & bound.isfinite()[:, None]
    above = (unit_logits > bound[:, None]) & unit_mask & bound.isfinite()[:, None]
    n_batch, n_units = attention.shape
    step = max(1, MAX_PAIRS // (n_batch * n_units))
    best = _nothing(attention)
    for start in range(0, n_units, step):
        rows = slice(start, start + step)
        block = _pair_block(attention, unit_logits, bound, below[:, rows], above, rows)
        best = best.at_least(block)
    return best


def _pair_block(
    attention: Tensor,
    unit_logits: Tensor,
    bound: Tensor,
    below: Tensor,
    above: Tensor,
    rows: slice,
) -> _Best:
    """The best pair whose lower unit is among `rows`."""
    low, high = unit_logits[:, rows, None], unit_logits[:, None, :]
    is_pair = below[:, :, None] & above[:, None, :]
    gap = torch.where(is_pair, high - low, 1)
    weight = torch.where(is_pair, (bound[:, None, None] - low) / gap, 0).clamp(0, 1)
    terms = pair_term(attention[:, rows, None], 1 - weight)
    terms = terms + pair_term(attention[:, None, :], weight)
    jsd = (MAX_JSD + terms / 2).masked_fill(~is_pair, -torch.inf).flatten(1)
    value, index = jsd.max(dim=1)
    n_units = unit_logits.shape[1]
    chosen = weight.flatten(1).gather(1, index[:, None])[:, 0]
    return _Best(value, rows.start + index // n_units, index % n_units, chosen)


def _nothing(attention: Tensor) -> _Best:
    n_batch = len(attention)
    nowhere = torch.zeros(n_batch, dtype=torch.long, device=attention.device)
    lowest = attention.new_full((n_batch,), -torch.inf)
    return _Best(lowest, nowhere, nowhere, torch.zeros_like(lowest))


def _witness(attention: Tensor, best: _Best) -> Witness:
    found = best.jsd.isfinite()
    weights = torch.zeros_like(attention)
    weights.scatter_add_(1, best.first[:, None], 1 - best.weight[:, None])
    weights.scatter_add_(1, best.second[:, None], best.weight[:, None])
    weights = torch.where(found[:, None], weights, attention)
    jsd = torch.where(found, best.jsd, 0).clamp(0, MAX_JSD)
    return Witness(weights.unsqueeze(1), jsd)
