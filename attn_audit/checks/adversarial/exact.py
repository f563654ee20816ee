"""The exact adversary: the global optimum over all attention with one linear constraint."""

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.checks.adversarial.pairs import Best, Pairs, pair_term
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.distances import MAX_JSD
from attn_audit.shapes import UnitMask


def exact_adversary(
    attention: Float64[Tensor, "batch unit"],
    unit_logits: Float64[Tensor, "batch unit"],
    interval: Float64[Tensor, "batch 2"],
    unit_mask: UnitMask,
) -> Witness:
    """Find the attention farthest from `attention` whose logit stays within `interval`.

    Distance is the Jensen-Shannon divergence, convex in the adversary, so its maximum over the
    polytope {a' >= 0, sum a' = 1, lo <= sum a' v <= hi} lies at a vertex, and a vertex gives weight
    to one unit, or to two mixed so that the sum is exactly lo or hi. Of these all that can be the
    best are tried: the answer is the global optimum, not the best of a search. Ties go to one unit
    before two, to lo before hi, and to the lowest index: of the unit below the bound, then above.

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
    a, v, bounds, mask = (
        tensor.cpu().numpy() for tensor in (attention, unit_logits, interval, unit_mask)
    )
    best = _single_units(a, v, bounds, mask)
    # Both sides at once: short texts cost calls rather than pairs.
    twice = [np.concatenate([array, array]) for array in (a, v, mask, best.jsd)]
    pairs = Pairs(twice[0], twice[1], bounds.T.ravel(), twice[2]).best(floor=twice[3])
    for side in pairs.split(2):
        best = best.at_least(side)
    return _witness(attention, best)


def _single_units(a: np.ndarray, v: np.ndarray, bounds: np.ndarray, mask: np.ndarray) -> Best:
    """All attention on one unit, where that keeps the logit within the interval."""
    inside = (v >= bounds[:, :1]) & (v <= bounds[:, 1:]) & mask
    jsd = np.where(inside, MAX_JSD + pair_term(a, np.ones_like(a)) / 2, -np.inf)
    unit = jsd.argmax(axis=1)
    return Best(jsd.max(axis=1), unit, unit, np.ones(len(a)))


def _witness(attention: Float64[Tensor, "batch unit"], best: Best) -> Witness:
    row, found = np.arange(len(attention)), np.isfinite(best.jsd)
    weights = np.zeros(attention.shape)
    weights[row, best.first] = 1 - best.weight
    weights[row, best.second] += best.weight
    jsd = np.where(found, best.jsd, 0).clip(0, MAX_JSD)
    is_found, of_found, divergence = (
        torch.from_numpy(array).to(attention.device) for array in (found, weights, jsd)
    )
    of_found = torch.where(is_found[:, None], of_found, attention)
    return Witness(of_found.unsqueeze(1), divergence)
