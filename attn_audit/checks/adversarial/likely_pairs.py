"""Which two units a feasible mixture far from the model's own attention may lie on."""

import math

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from attn_audit.checks.adversarial.single_units import SingleUnits
from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.replaying import in_every_row, replayed_probabilities
from attn_audit.distances import MAX_JSD, pair_term

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
    elsewhere these are all pairs of a choice of units; where one number is the whole output, those
    whose units move it to opposite sides.

    Args:
        audited: A batch of at least two units.
        single: What each unit does alone.
        epsilon: Largest output distance.
        n_replays: Mixtures that may be tried of each example.

    Returns:
        First and second units; where a text has fewer than others, a pair comes again, or padding
        stands in.
    """
    units = _choose_units(audited, single.probabilities, _n_paired(n_replays))
    low, high = torch.triu_indices(units.shape[1], units.shape[1], 1, device=units.device)
    first, second = units[:, low], units[:, high]
    if first.shape[1] <= N_LIKELY:
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
    """`mixture_jsd` of pairs at all `shares_of_second`.

    Args:
        parts: From `parts_of_grid`: computed once, however many pairs a unit is in.
        first: Of each pair.
        second: Of each pair.
    """
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
    """Whether both units of a pair are of the text, and none is padding.

    Args:
        audited: A batch.
        first: Of each pair.
        second: Of each pair.
    """
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
    audited: AuditedBatch, probabilities: Float64[Tensor, "batch unit label"], n_paired: int
) -> Int64[Tensor, "batch chosen"]:
    """Half of the units that alone raise the likeliest label, half of those that lower it.

    A mixture can only restore the output if its two units pull it to opposite sides; among those,
    the less attention a unit has, the farther a distribution on it is from the model's own.
    """
    n_chosen = min(n_paired, audited.attention.shape[-1])
    raises = _raises(audited, probabilities)
    attention = audited.explanation.masked_fill(~audited.batch.unit_mask, torch.inf)
    rank_above = (
        attention.masked_fill(~raises, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
    )
    rank_below = attention.masked_fill(raises, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
    rank = torch.where(raises, rank_above, rank_below)
    rank = rank.masked_fill(~audited.batch.unit_mask, len(rank.view(-1)))
    return rank.argsort(dim=1, stable=True)[:, :n_chosen]


def _raises(
    audited: AuditedBatch, probabilities: Float64[Tensor, "batch unit label"]
) -> Bool[Tensor, "batch unit"]:
    """Whether all attention on a unit makes the likeliest label no less likely."""
    label = audited.probabilities.argmax(dim=-1)
    of_label = probabilities.gather(2, label[:, None, None].expand(-1, probabilities.shape[1], 1))
    return of_label.squeeze(2) >= audited.probabilities.gather(1, label[:, None])


def _opposite(
    audited: AuditedBatch, single: SingleUnits, first: Units, second: Units
) -> tuple[Int64[Tensor, "batch tried"], Int64[Tensor, "batch tried"]]:
    """The pairs whose units pull to opposite sides, or the first `N_LIKELY` where those are fewer.

    A mixture of units that pull to one side restores the output only where one of them nearly does
    alone. On the SST test split, a sigmoid on top of the readout of a BiLSTM, 9 of 1,821 texts have
    a best mixture that is worse by more than 1e-6 without these, by 4e-5 nats in the mean of all.
    """
    raises, real = _raises(audited, single.probabilities), are_real(audited, first, second)
    opposite = real & (raises.gather(1, first) != raises.gather(1, second))
    n_own = opposite.sum(dim=1, keepdim=True).clamp_min(N_LIKELY)
    order = (2 * opposite.int() + real.int()).argsort(dim=1, descending=True, stable=True)
    # What a text is tried with does not depend on the others of its batch: the rest comes again.
    rank = torch.arange(int(n_own.max()), device=order.device)
    tried = order.gather(1, torch.where(rank < n_own, rank, 0))
    return first.gather(1, tried), second.gather(1, tried)
