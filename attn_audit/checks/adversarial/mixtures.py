"""Distributions over one unit and over two: where the best adversaries are found.

For a linear readout with one output the global optimum is always among them (`exact`). Elsewhere
nothing is proven, but in practice they beat the gradient search on most texts, so the search starts
from the best of them.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor
from torch.nn import functional as F

from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import (
    AuditedBatch,
    distances_of,
    in_every_row,
    output_distances,
    replayed_probabilities,
)
from attn_audit.distances import MAX_JSD, jensen_shannon_divergence, pair_term
from attn_audit.progress import portions


@dataclass(frozen=True)
class SingleUnits:
    """What each unit does when every row attends to it alone, as far as it may."""

    logits: Float64[Tensor, "batch unit label"] | None
    """None of a vocabulary, of which they are too many."""
    distance: Float64[Tensor, "batch unit"]
    """How far the output moves."""
    raises: Bool[Tensor, "batch unit"]
    """Whether the likeliest label becomes no less likely."""
    jsd: Float64[Tensor, "batch unit"]
    """Divergence of the explanation from the model's own, nats."""

    def best(self, audited: AuditedBatch, epsilon: float) -> Witness:
        """The best whose output stays within epsilon, ties to the first; else the model's own."""
        feasible = (self.distance <= epsilon) & audited.batch.unit_mask
        jsd, unit = self.jsd.masked_fill(~feasible, 0).max(dim=1)
        one_hot = F.one_hot(unit, self.jsd.shape[1]).double()
        found = Witness(in_every_row(audited, one_hot.unsqueeze(1)).squeeze(1), jsd)
        return found.where(jsd > 0, own_attention(audited))


def try_single_units(audited: AuditedBatch) -> SingleUnits:
    """Put all attention on each unit in turn."""
    n_units = audited.attention.shape[-1]
    every = torch.arange(n_units, device=audited.attention.device)
    logits, effects, divergences = [], [], []
    for some in portions(torch.split(every, audited.in_cache(n_bytes=32))):
        one_hots = F.one_hot(some, n_units).to(torch.float64)
        rows = in_every_row(audited, one_hots.expand(len(audited.batch), -1, -1))
        found = audited.reading.replay(rows.to(audited.reading.attention.dtype)).double()
        effects.append((distances_of(audited, found), _raises(audited, found)))
        if not audited.model.task.is_vocabulary:
            logits.append(found)
        if not audited.is_unrestricted:
            own = audited.explanation.unsqueeze(1)
            divergences.append(jensen_shannon_divergence(audited.explain(rows), own))
    if audited.is_unrestricted:
        a = audited.explanation
        jsd = MAX_JSD + pair_term(a, torch.ones_like(a)) / 2
    else:
        jsd = torch.cat(divergences, dim=1)
    distance, raises = (torch.cat(parts, dim=1) for parts in zip(*effects, strict=True))
    return SingleUnits(torch.cat(logits, dim=1) if logits else None, distance, raises, jsd)


def own_attention(audited: AuditedBatch) -> Witness:
    """The model's own attention: what is always within epsilon."""
    return Witness(audited.attention, torch.zeros_like(audited.mass))


N_SHARES = 15
"""How many mixtures of each pair are tried."""

N_LIKELY = 16
"""Pairs whose mixtures are tried where it can be said which are the best."""

GUESS_TOLERANCE = 1e-5
"""Largest difference between a guessed probability and a replayed one that is rounding."""

Units = Int64[Tensor, "batch pair"]


def likely_pairs(
    audited: AuditedBatch, single: SingleUnits, epsilon: float, n_replays: int
) -> tuple[Units, Units]:
    """The pairs that are worth a replay of their mixtures.

    If logits of mixtures are mixtures of logits, as they are where the readout is linear, those of
    the largest divergence are known from what each unit does alone. A trial shows whether it is so;
    elsewhere, and of a vocabulary, these are all pairs of a choice of units; where one number is
    the whole output, those whose units move it to opposite sides.

    Args:
        n_replays: Mixtures that may be tried of each example.

    Returns:
        First and second units; where a text has fewer than others, a pair comes again, or padding
        stands in.
    """
    units = _choose_units(audited, single, _n_paired(n_replays))
    low, high = torch.triu_indices(units.shape[1], units.shape[1], 1, device=units.device)
    first, second = units[:, low], units[:, high]
    if first.shape[1] <= N_LIKELY or single.logits is None:
        return first, second
    step = audited.model.capacity.in_cache(32 * N_SHARES * single.logits[:, 0].numel())
    portions = zip(torch.split(first, step, 1), torch.split(second, step, 1), strict=True)
    parts = parts_of_grid(audited)
    promise = torch.cat(
        [_promise(audited, single, epsilon, grid_jsd(parts, i, j), i, j) for i, j in portions],
        dim=1,
    )
    order = promise.argsort(dim=1, descending=True, stable=True)[:, :N_LIKELY]
    likely = first.gather(1, order), second.gather(1, order)
    if _guess_holds(audited, single, *likely):
        return likely
    if audited.model.task.is_one_number:
        return _opposite(audited, single, first, second)
    return first, second


def shares_of_second(like: Tensor) -> Float64[Tensor, " share"]:
    """The weights that are tried on a pair's second unit, evenly spaced inside 0 to 1."""
    steps = torch.arange(1, N_SHARES + 1, dtype=torch.float64, device=like.device)
    return steps / (N_SHARES + 1)


def mixture_jsd(a_first: Tensor, a_second: Tensor, share: Tensor) -> Tensor:
    """Divergence of (1 - share) on one unit and `share` on another from weights a."""
    return MAX_JSD + (pair_term(a_first, 1 - share) + pair_term(a_second, share)) / 2


def parts_of_grid(audited: AuditedBatch) -> Float64[Tensor, "batch unit share"]:
    """Each unit's part in the divergence, for each of `shares_of_second` on it."""
    return pair_term(audited.explanation.unsqueeze(2), shares_of_second(audited.explanation))


def grid_jsd(
    parts: Float64[Tensor, "batch unit share"], first: Units, second: Units
) -> Float64[Tensor, "batch pair share"]:
    """`mixture_jsd` of pairs at all `shares_of_second`, from `parts_of_grid`, computed once."""
    of_first, of_second = (
        part.gather(1, units.unsqueeze(2).expand(-1, -1, N_SHARES))
        for part, units in ((parts.flip(2), first), (parts, second))  # 1 - share is one of them
    )
    return MAX_JSD + of_first.add_(of_second).div_(2)


def spread(first: Tensor, second: Tensor, share: Tensor, n_units: int) -> Tensor:
    """Weights over all units: `share` on the second, the rest on the first, zero elsewhere."""
    weights = share.new_zeros((*share.shape, n_units))
    weights.scatter_add_(-1, first.unsqueeze(-1), (1 - share).unsqueeze(-1))
    return weights.scatter_add_(-1, second.unsqueeze(-1), share.unsqueeze(-1))


def are_real(audited: AuditedBatch, first: Units, second: Units) -> Bool[Tensor, "batch pair"]:
    """Whether both units of a pair are of the text, and none is padding."""
    mask = audited.batch.unit_mask
    return mask.gather(1, first) & mask.gather(1, second)


def _n_paired(n_replays: int) -> int:
    """Units among which all pairs can be tried: n (n - 1) / 2 pairs, each with all shares."""
    return max(2, int((1 + math.sqrt(1 + 8 * n_replays / N_SHARES)) / 2))


def _guess_holds(audited: AuditedBatch, single: SingleUnits, first: Units, second: Units) -> bool:
    """Whether even mixtures of these pairs do what the mean of their units' logits says."""
    half = torch.full(first.shape, 0.5, dtype=torch.float64, device=first.device)
    weights = spread(first, second, half, audited.attention.shape[-1])
    z_first, z_second = _logits(single, first), _logits(single, second)
    guess = audited.model.task.probabilities((z_first + z_second) / 2)
    replayed = [
        replayed_probabilities(audited, in_every_row(audited, portion))
        for portion in torch.split(weights, audited.in_cache(n_bytes=32), dim=1)
    ]
    real = are_real(audited, first, second)
    error = (torch.cat(replayed, dim=1) - guess).abs().amax(dim=2)
    return bool((error[real] <= GUESS_TOLERANCE).all())


def _logits(single: SingleUnits, units: Units) -> Float64[Tensor, "batch pair label"]:
    assert single.logits is not None, "of a vocabulary no guess is made"
    return single.logits.gather(1, units.unsqueeze(2).expand(-1, -1, single.logits.shape[2]))


def _promise(
    audited: AuditedBatch,
    single: SingleUnits,
    epsilon: float,
    jsd: Float64[Tensor, "batch pair share"],
    first: Units,
    second: Units,
) -> Float64[Tensor, "batch pair"]:
    """The guessed divergence; below 0 where no mixture seems feasible, -2 of padding."""
    task, share = audited.model.task, shares_of_second(first)
    z_first, z_second = (_logits(single, units).unsqueeze(2) for units in (first, second))
    logits = z_first * (1 - share).unsqueeze(1) + z_second * share.unsqueeze(1)
    own = audited.probabilities[:, None, None]
    distance = task.distance(task.probabilities(logits), own)
    promise = torch.where(distance <= epsilon, jsd, -distance).amax(dim=2)
    return promise.masked_fill(~are_real(audited, first, second), -2)


def _choose_units(
    audited: AuditedBatch, single: SingleUnits, n_paired: int
) -> Int64[Tensor, "batch chosen"]:
    """Half of the units that alone raise the likeliest label, half of those that lower it.

    A mixture can only restore the output if its two units pull it to opposite sides; among those,
    the less attention a unit has, the farther a distribution on it is from the model's own.
    """
    n_chosen, raises = min(n_paired, audited.attention.shape[-1]), single.raises
    attention = audited.explanation.masked_fill(~audited.batch.unit_mask, torch.inf)
    rank_above = (
        attention.masked_fill(~raises, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
    )
    rank_below = attention.masked_fill(raises, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
    rank = torch.where(raises, rank_above, rank_below)
    rank = rank.masked_fill(~audited.batch.unit_mask, len(rank.view(-1)))
    return rank.argsort(dim=1, stable=True)[:, :n_chosen]


def _raises(
    audited: AuditedBatch, logits: Float64[Tensor, "batch unit label"]
) -> Bool[Tensor, "batch unit"]:
    """Whether all attention on a unit makes the likeliest label no less likely."""
    label = audited.probabilities.argmax(dim=-1)
    probabilities = audited.model.task.probabilities(logits)
    of_label = probabilities.gather(2, label[:, None, None].expand(-1, logits.shape[1], 1))
    return of_label.squeeze(2) >= audited.probabilities.gather(1, label[:, None])


def _opposite(
    audited: AuditedBatch, single: SingleUnits, first: Units, second: Units
) -> tuple[Int64[Tensor, "batch tried"], Int64[Tensor, "batch tried"]]:
    """The pairs whose units pull to opposite sides, or the first `N_LIKELY` where those are fewer.

    A mixture of units that pull to one side restores the output only where one of them nearly does
    alone. On the SST test split, a sigmoid on top of the readout of a BiLSTM, 9 of 1,821 texts have
    a best mixture that is worse by more than 1e-6 without these, by 4e-5 nats in the mean of all.
    """
    raises, real = single.raises, are_real(audited, first, second)
    opposite = real & (raises.gather(1, first) != raises.gather(1, second))
    n_own = opposite.sum(dim=1, keepdim=True).clamp_min(N_LIKELY)
    order = (2 * opposite.int() + real.int()).argsort(dim=1, descending=True, stable=True)
    # What a text is tried with does not depend on the others of its batch: the rest comes again.
    rank = torch.arange(int(n_own.max()), device=order.device)
    tried = order.gather(1, torch.where(rank < n_own, rank, 0))
    return first.gather(1, tried), second.gather(1, tried)


N_BISECTIONS = 20
"""Halvings of the gap between a feasible mixture and its infeasible neighbour."""


class _Mixtures(NamedTuple):
    """One mixture for each example: weight `share` on `second`, the rest on `first`."""

    first: Int64[Tensor, " batch"]
    second: Int64[Tensor, " batch"]
    share: Float64[Tensor, " batch"]
    jsd: Float64[Tensor, " batch"]


def best_mixture(
    audited: AuditedBatch, single: SingleUnits, epsilon: float, n_replays: int
) -> Witness:
    """The best feasible distribution over one unit, or over two of the likeliest pairs.

    Mixtures of two are tried where every row may attend to all units of its text, `n_replays` of
    each example before the best is refined. Divergence 0 where none is feasible.
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
    step = max(1, min(audited.in_cache(32 * N_SHARES), audited.n_in_memory // N_SHARES))
    nowhere = torch.zeros(len(audited.batch), dtype=torch.long, device=audited.mass.device)
    nothing = torch.zeros_like(audited.mass)
    best, parts = _Mixtures(nowhere, nowhere, nothing, nothing), parts_of_grid(audited)
    pairs = list(zip(torch.split(first, step, 1), torch.split(second, step, 1), strict=True))
    for i, j in portions(pairs):
        shape = (*i.shape, N_SHARES)
        each = (i.unsqueeze(2), j.unsqueeze(2), shares)  # batch pair share
        mixtures = [values.expand(shape).flatten(1) for values in each]
        of_first, of_second, share = mixtures
        share = share.to(audited.reading.attention.dtype)  # sixteenths: exact in any
        weights = spread(of_first, of_second, share, n_units)
        feasible = output_distances(audited, in_every_row(audited, weights)) <= epsilon
        feasible &= are_real(audited, of_first, of_second)
        jsd = grid_jsd(parts, i, j).flatten(1).masked_fill(~feasible, 0)
        value, index = jsd.max(dim=1, keepdim=True)  # ties go to the first
        i, j, share = (values.gather(1, index)[:, 0] for values in mixtures)
        best = _better(best, _Mixtures(i, j, share, value[:, 0]))
    return best


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
            weights = _weights(audited, found._replace(share=middle))
            feasible = output_distances(audited, weights)[:, 0] <= epsilon
            inside = torch.where(feasible, middle, inside)
            outside = torch.where(feasible, outside, middle)
        a = audited.explanation
        a_first, a_second = (a.gather(1, units[:, None])[:, 0] for units in found[:2])
        jsd = torch.where(found.jsd > 0, mixture_jsd(a_first, a_second, inside), 0)
        best = _better(best, found._replace(share=inside, jsd=jsd))
    return best


def _better(this: _Mixtures, other: _Mixtures) -> _Mixtures:
    """The better of two for each example; ties stay with the first."""
    better = other.jsd > this.jsd
    return _Mixtures(*(torch.where(better, o, t) for t, o in zip(this, other, strict=True)))


def _weights(
    audited: AuditedBatch, mixtures: _Mixtures
) -> Float64[Tensor, "batch variant row unit"]:
    """One variant of each example, in all rows alike."""
    first, second, share, _ = (values[:, None] for values in mixtures)
    return in_every_row(audited, spread(first, second, share, audited.attention.shape[-1]))


def _witness(audited: AuditedBatch, mixtures: _Mixtures) -> Witness:
    found = Witness(_weights(audited, mixtures).squeeze(1), mixtures.jsd)
    return found.where(mixtures.jsd > 0, own_attention(audited))
