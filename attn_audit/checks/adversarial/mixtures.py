"""Distributions over one unit and over two: where the best adversaries are found.

For a linear readout with one output the global optimum is always among them (`exact`). Elsewhere
nothing is proven, but in practice they beat the gradient search on most texts, so the search starts
from the best of them.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from attn_audit.checks.adversarial.likely_pairs import (
    N_SHARES,
    Units,
    are_real,
    grid_jsd,
    likely_pairs,
    mixture_jsd,
    parts_of_grid,
    shares_of_second,
    spread,
)
from attn_audit.checks.adversarial.single_units import (
    SingleUnits,
    own_attention,
)
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.replaying import in_every_row, output_distances
from attn_audit.progress import portions

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
        return spread(self.first, self.second, self.share, n_units)


def best_mixture(
    audited: AuditedBatch, single: SingleUnits, epsilon: float, n_replays: int
) -> Witness:
    """The best feasible distribution over one unit, or over two of the likeliest pairs.

    Mixtures of two are tried where every row may attend to all units of its text.

    Args:
        audited: A batch.
        single: What each of its units does alone.
        epsilon: Largest output distance.
        n_replays: Mixtures of two that may be tried of each example, before the best is refined.

    Returns:
        The best found, in all rows alike; divergence 0 where none is feasible.
    """
    best = single.best(audited, epsilon)
    if audited.attention.shape[-1] < 2 or not audited.is_unrestricted:
        return best
    pairs = likely_pairs(audited, single, epsilon, n_replays)
    pair = _refine(audited, _best_pair(audited, *pairs, epsilon), epsilon)
    return best.at_least(_witness(audited, pair))


def _best_pair(audited: AuditedBatch, first: Units, second: Units, epsilon: float) -> _Mixtures:
    """The best of all mixtures of the pairs on a grid of shares."""
    n_units = audited.attention.shape[-1]
    shares = shares_of_second(first)
    step = audited.in_cache(n_bytes=32 * N_SHARES)
    best, parts = _no_mixture(audited), parts_of_grid(audited)
    pairs = list(zip(torch.split(first, step, 1), torch.split(second, step, 1), strict=True))
    for i, j in portions(pairs):
        shape = (*i.shape, N_SHARES)
        each = (i.unsqueeze(2), j.unsqueeze(2), shares)  # batch pair share
        grid = _Grid(*(values.expand(shape).flatten(1) for values in each))
        jsd = grid_jsd(parts, i, j).flatten(1)
        best = _better(best, grid.best(audited, jsd, n_units, epsilon))
    return best


@dataclass(frozen=True)
class _Grid:
    """Several mixtures for each example."""

    first: Int64[Tensor, "batch variant"]
    second: Int64[Tensor, "batch variant"]
    share: Float64[Tensor, "batch variant"]

    def best(
        self,
        audited: AuditedBatch,
        jsd: Float64[Tensor, "batch variant"],
        n_units: int,
        epsilon: float,
    ) -> _Mixtures:
        """The feasible one of the largest divergence; ties go to the first."""
        share = self.share.to(audited.reading.attention.dtype)  # sixteenths: exact in any
        weights = spread(self.first, self.second, share, n_units)
        feasible = output_distances(audited, in_every_row(audited, weights)) <= epsilon
        feasible &= are_real(audited, self.first, self.second)
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
            weights = spread(grid.first, grid.second, grid.share, audited.attention.shape[-1])
            feasible = output_distances(audited, in_every_row(audited, weights))[:, 0] <= epsilon
            inside = torch.where(feasible, middle, inside)
            outside = torch.where(feasible, outside, middle)
        a = audited.explanation
        jsd = mixture_jsd(
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


def _witness(audited: AuditedBatch, mixtures: _Mixtures) -> Witness:
    weights = mixtures.weights(audited.attention.shape[-1]).unsqueeze(1)
    found = Witness(in_every_row(audited, weights).squeeze(1), mixtures.jsd)
    return found.where(mixtures.jsd > 0, own_attention(audited))
