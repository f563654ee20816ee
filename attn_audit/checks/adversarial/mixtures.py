"""Distributions over one unit and over two: where the best adversaries are found.

For a linear readout with one output the global optimum is always among them (`exact`). Elsewhere
nothing is proven, but in practice they beat the gradient search on most texts, so the search starts
from the best of them.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from attn_audit.checks.adversarial.single_units import (
    MAX_WEIGHTS,
    own_attention,
    try_single_units,
)
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.replaying import in_every_row, output_distances
from attn_audit.distances import MAX_JSD, pair_term

N_SHARES = 15
"""How many mixtures of each pair are tried before the best is refined."""

N_REPLAYS = 2500
"""Mixtures that are tried of each example: as many as the gradient search replays by default."""

N_BISECTIONS = 20
"""Halvings of the gap between a feasible mixture and its infeasible neighbour."""


@dataclass(frozen=True)
class _Mixtures:
    """One mixture for each example: weight `share` on `second`, the rest on `first`."""

    first: Int64[Tensor, " batch"]
    second: Int64[Tensor, " batch"]
    share: Float64[Tensor, " batch"]
    jsd: Float64[Tensor, " batch"]

    def weights(self, n_units: int) -> Float64[Tensor, "batch unit"]:
        """The distributions themselves."""
        return _spread(self.first, self.second, self.share, n_units)


def best_mixture(audited: AuditedBatch, epsilon: float, n_replays: int = N_REPLAYS) -> Witness:
    """The best feasible distribution over one unit, or over two of a choice of units.

    Mixtures of two are tried where every row may attend to all units of its text.

    Args:
        audited: A batch.
        epsilon: Largest output distance.
        n_replays: Mixtures of two that may be tried of each example, before the best is refined.

    Returns:
        The best found, in all rows alike; divergence 0 where none is feasible.
    """
    single = try_single_units(audited)
    best = single.best(audited, epsilon)
    if audited.attention.shape[-1] < 2 or not audited.is_unrestricted:
        return best
    units = _choose_units(audited, single.probabilities, _n_paired(n_replays))
    pair = _refine(audited, _best_pair(audited, units, epsilon), epsilon)
    return best.at_least(_witness(audited, pair))


def _n_paired(n_replays: int) -> int:
    """Units among which all pairs can be tried: n (n - 1) / 2 pairs, each with all shares."""
    return max(2, int((1 + math.sqrt(1 + 8 * n_replays / N_SHARES)) / 2))


def _choose_units(
    audited: AuditedBatch, probabilities: Float64[Tensor, "batch unit label"], n_paired: int
) -> Int64[Tensor, "batch chosen"]:
    """Half of the units that alone raise the likeliest label, half of those that lower it.

    A mixture can only restore the output if its two units pull it to opposite sides; among those,
    the less attention a unit has, the farther a distribution on it is from the model's own.
    """
    n_chosen = min(n_paired, audited.attention.shape[-1])
    label = audited.probabilities.argmax(dim=-1)
    of_label = probabilities.gather(2, label[:, None, None].expand(-1, probabilities.shape[1], 1))
    own = audited.probabilities.gather(1, label[:, None])
    raises = of_label.squeeze(2) >= own
    attention = audited.explanation.masked_fill(~audited.batch.unit_mask, torch.inf)
    rank_above = (
        attention.masked_fill(~raises, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
    )
    rank_below = attention.masked_fill(raises, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
    rank = torch.where(raises, rank_above, rank_below)
    rank = rank.masked_fill(~audited.batch.unit_mask, len(rank.view(-1)))
    return rank.argsort(dim=1, stable=True)[:, :n_chosen]


def _best_pair(
    audited: AuditedBatch, units: Int64[Tensor, "batch chosen"], epsilon: float
) -> _Mixtures:
    """The best of all mixtures of chosen units on a grid of shares."""
    n_units = audited.attention.shape[-1]
    shares = torch.arange(1, N_SHARES + 1, dtype=torch.float64, device=units.device)
    shares = shares / (N_SHARES + 1)
    low, high = torch.triu_indices(units.shape[1], units.shape[1], 1, device=units.device)
    step = max(1, MAX_WEIGHTS // (audited.attention.numel() * N_SHARES))
    best = _no_mixture(audited)
    for i, j in zip(torch.split(low, step), torch.split(high, step), strict=True):
        first, second = units[:, i].unsqueeze(2), units[:, j].unsqueeze(2)  # batch pair 1
        shape = (*first.shape[:2], N_SHARES)
        grid = _Grid(*(values.expand(shape).flatten(1) for values in (first, second, shares)))
        best = _better(best, grid.best(audited, n_units, epsilon))
    return best


@dataclass(frozen=True)
class _Grid:
    """Several mixtures for each example."""

    first: Int64[Tensor, "batch variant"]
    second: Int64[Tensor, "batch variant"]
    share: Float64[Tensor, "batch variant"]

    def best(self, audited: AuditedBatch, n_units: int, epsilon: float) -> _Mixtures:
        """The feasible one of the largest divergence; ties go to the first."""
        weights = _spread(self.first, self.second, self.share, n_units)
        mask = audited.batch.unit_mask
        real = mask.gather(1, self.first) & mask.gather(1, self.second)
        feasible = real & (output_distances(audited, in_every_row(audited, weights)) <= epsilon)
        a = audited.explanation
        jsd = _jsd(a.gather(1, self.first), a.gather(1, self.second), self.share)
        value, index = jsd.masked_fill(~feasible, 0).max(dim=1, keepdim=True)
        chosen = (self.first, self.second, self.share)
        first, second, share = (values.gather(1, index)[:, 0] for values in chosen)
        return _Mixtures(first, second, share, value[:, 0])


def _refine(audited: AuditedBatch, found: _Mixtures, epsilon: float) -> _Mixtures:
    """Go from the best mixture towards either unit, up to where the output leaves epsilon.

    The divergence is convex in the share, so it is largest at an end of the feasible stretch.
    """
    best = found
    for direction in (-1.0, 1.0):
        inside = found.share
        outside = found.share + direction / (N_SHARES + 1)
        for _ in range(N_BISECTIONS):
            middle = (inside + outside) / 2
            grid = _Grid(found.first[:, None], found.second[:, None], middle[:, None])
            weights = _spread(grid.first, grid.second, grid.share, audited.attention.shape[-1])
            feasible = output_distances(audited, in_every_row(audited, weights))[:, 0] <= epsilon
            inside = torch.where(feasible, middle, inside)
            outside = torch.where(feasible, outside, middle)
        a = audited.explanation
        jsd = _jsd(
            a.gather(1, found.first[:, None])[:, 0],
            a.gather(1, found.second[:, None])[:, 0],
            inside,
        )
        jsd = torch.where(found.jsd > 0, jsd, 0)
        best = _better(best, _Mixtures(found.first, found.second, inside, jsd))
    return best


def _better(this: _Mixtures, other: _Mixtures) -> _Mixtures:
    """The better of two for each example; ties stay with the first."""
    better = other.jsd > this.jsd
    return _Mixtures(
        torch.where(better, other.first, this.first),
        torch.where(better, other.second, this.second),
        torch.where(better, other.share, this.share),
        torch.where(better, other.jsd, this.jsd),
    )


def _no_mixture(audited: AuditedBatch) -> _Mixtures:
    nowhere = torch.zeros(len(audited.batch), dtype=torch.long, device=audited.mass.device)
    nothing = torch.zeros_like(audited.mass)
    return _Mixtures(nowhere, nowhere, nothing, nothing)


def _spread(first: Tensor, second: Tensor, share: Tensor, n_units: int) -> Tensor:
    """Weights over all units, zero but at the two."""
    weights = share.new_zeros((*share.shape, n_units))
    weights.scatter_add_(-1, first.unsqueeze(-1), (1 - share).unsqueeze(-1))
    return weights.scatter_add_(-1, second.unsqueeze(-1), share.unsqueeze(-1))


def _jsd(a_first: Tensor, a_second: Tensor, share: Tensor) -> Tensor:
    """Divergence of (1 - share) on one unit and `share` on another from weights a."""
    return MAX_JSD + (pair_term(a_first, 1 - share) + pair_term(a_second, share)) / 2


def _witness(audited: AuditedBatch, mixtures: _Mixtures) -> Witness:
    weights = mixtures.weights(audited.attention.shape[-1]).unsqueeze(1)
    found = Witness(in_every_row(audited, weights).squeeze(1), mixtures.jsd)
    return found.where(mixtures.jsd > 0, own_attention(audited))
