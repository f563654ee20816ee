"""Permutation: does the prediction depend on which units attention points at?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from attn_audit.checks.base import (
    AuditedBatch,
    Columns,
    Effects,
    effects_of,
    in_every_row,
    is_measured,
    or_none,
    replayed,
    statuses_of_interventions,
    uniform_attention,
    where_kept,
)
from attn_audit.distances import entropy, jensen_shannon_divergence
from attn_audit.findings import permutation as fields
from attn_audit.progress import in_portions
from attn_audit.randomness import example_keys, n_permutations, permutations


@dataclass(frozen=True)
class Permutation:
    """The median change of output over random permutations of the attention weights.

    Source: Jain & Wallace (2019), section 4.2.1, algorithm 2.
    """

    id: ClassVar[str] = "permutation"

    epsilon: float
    """Largest output distance that counts as unchanged, for the share of permutations within it."""
    n_draws: int = 100
    """Permutations of each example; texts of up to 4 units get all there are."""

    def passes(self, n_units: int) -> int:
        """A replay for each permutation and each unit alone, of uniform attention, and of none."""
        return self.passes_at_head(n_units) + n_units

    def passes_at_head(self, n_units: int) -> int:
        """The same at a head beside the audited site, whose reach is not measured."""
        return int(n_permutations(np.array([n_units]), self.n_draws)[0]) + 2

    def run(self, audited: AuditedBatch) -> Columns:
        """Medians over the permutations, and what uniform, single and no attention do."""
        counts = n_permutations(audited.lengths, self.n_draws)
        shuffled, divergence = self._shuffle(audited, int(counts.max()))
        drawn = np.arange(divergence.shape[1]) < counts[:, None]
        within = ((shuffled.distance <= self.epsilon) & drawn).sum(axis=1) / counts
        turned = (shuffled.turned * drawn).sum(axis=1) / counts
        measured = is_measured(audited)
        decides = measured & audited.has_margin
        return {
            fields.DISTANCE_FIELD.name: or_none(_medians(shuffled.distance, drawn), measured),
            fields.JSD_FIELD.name: or_none(_medians(divergence, drawn), measured),
            fields.WITHIN_EPSILON_FIELD.name: or_none(within, measured),
            fields.MARGIN_FIELD.name: or_none(_medians(shuffled.margin, drawn), decides),
            fields.TURNED_FIELD.name: or_none(turned, decides),
            **_uniform(audited, measured, decides),
            **_reach(audited, measured, decides),
            **_leverage(audited, measured, decides),
            fields.STATUS.name: statuses_of_interventions(audited),
        }

    def _shuffle(
        self, audited: AuditedBatch, n_variants: int
    ) -> tuple[Effects, Float64[np.ndarray, "batch variant"]]:
        """What every permutation does, and how far its attention is from the model's."""
        keys = example_keys(audited.seed, audited.ids, self.id)
        found, divergences = [], []
        for portion in in_portions(n_variants, audited.in_cache(n_bytes=64)):
            draws = range(n_variants)[portion]
            n_units = audited.attention.shape[-1]
            order = torch.from_numpy(permutations(keys, audited.lengths, draws, n_units))
            order = order.to(audited.attention.device)
            found.append(_effects(audited, permuted(audited, audited.reading.attention, order)))
            divergences.append(permuted_divergences(audited, order))
        return Effects.joined(found), torch.cat(divergences, 1).cpu().numpy()


@torch.no_grad()
def _effects(audited: AuditedBatch, weights: Float[Tensor, "batch variant row unit"]) -> Effects:
    return effects_of(audited, replayed(audited, weights))


def _reach(
    audited: AuditedBatch, measured: Bool[np.ndarray, " batch"], decides: Bool[np.ndarray, " batch"]
) -> Columns:
    """The most that attention on any single unit does.

    A replay for every unit: too many for each of dozens of heads that stand beside the audited
    site.
    """
    if audited.is_beside and audited.site.head is not None:
        return {field.name: [None] * len(audited.batch) for field in fields.REACH_FIELDS}
    single = single_units(audited)
    return {
        fields.REACH_DISTANCE_FIELD.name: or_none(single.distance.max(axis=1), measured),
        fields.REACH_FIELD.name: or_none(single.margin.max(axis=1), decides),
        fields.REACH_TURNS_FIELD.name: or_none(single.turned.max(axis=1), decides),
    }


def single_units(audited: AuditedBatch) -> Effects:
    """All attention on one unit, for each; in the padding what the model's own does: nothing."""
    batch_size, _, n_units = audited.attention.shape
    every = torch.eye(n_units, dtype=audited.attention.dtype, device=audited.attention.device)
    step, found = audited.in_cache(n_bytes=64), []
    for start in range(0, n_units, step):
        units = every[start : start + step].expand(batch_size, -1, -1)
        weights = in_every_row(audited, units)
        is_unit = audited.batch.unit_mask[:, start : start + step, None, None]
        found.append(
            _effects(audited, torch.where(is_unit, weights, audited.attention.unsqueeze(1)))
        )
    return Effects.joined(found)


@torch.no_grad()
def without_attention(audited: AuditedBatch) -> Float[Tensor, "batch 1 label"]:
    """Logits where nothing of a text is attended to at the site."""
    own = audited.reading.attention.unsqueeze(1)
    return audited.reading.replay(own, torch.zeros_like(audited.reading.mass))


def _leverage(
    audited: AuditedBatch, measured: Bool[np.ndarray, " batch"], decides: Bool[np.ndarray, " batch"]
) -> Columns:
    """What becomes of the output where nothing of a text is attended to at the site."""
    cut = effects_of(audited, without_attention(audited))
    return {
        fields.LEVERAGE_DISTANCE_FIELD.name: or_none(cut.distance[:, 0], measured),
        fields.LEVERAGE_FIELD.name: or_none(cut.margin[:, 0], decides),
    }


def _medians(
    values: Float64[np.ndarray, "batch variant"], drawn: Bool[np.ndarray, "batch variant"]
) -> Float64[np.ndarray, " batch"]:
    """Median over the variants that were drawn; of an even number the mean of the middle two."""
    ordered = np.sort(np.where(drawn, values, np.inf), axis=1)
    n = drawn.sum(axis=1)
    low = np.take_along_axis(ordered, ((n - 1) // 2)[:, None], axis=1)
    high = np.take_along_axis(ordered, (n // 2)[:, None], axis=1)
    middle: np.ndarray = ((low + high) / 2)[:, 0]
    return middle


@torch.no_grad()
def _uniform(
    audited: AuditedBatch, measured: Bool[np.ndarray, " batch"], decides: Bool[np.ndarray, " batch"]
) -> Columns:
    """The same weight on every unit a row may attend to."""
    logits = replayed(audited, uniform_attention(audited).unsqueeze(1))
    effects, task = effects_of(audited, logits), audited.model.task
    predictions = task.predictions(task.probabilities(logits.squeeze(1)))
    return {
        fields.UNIFORM_DISTANCE_FIELD.name: or_none(effects.distance[:, 0], measured),
        fields.UNIFORM_MARGIN_FIELD.name: or_none(effects.margin[:, 0], decides),
        fields.UNIFORM_PREDICTION.name: where_kept(predictions, measured),
    }


def permuted(
    audited: AuditedBatch,
    weights: Float[Tensor, "batch row unit"],
    order: Int64[Tensor, "batch variant unit"],
) -> Float[Tensor, "batch variant row unit"]:
    """Weights in other orders, the same one in every row and head.

    A row that may not attend to every unit is permuted within those that it may attend to, in the
    order in which they come in the common one: still any order of them with the same probability.
    """
    if audited.is_unrestricted:
        orders = order.unsqueeze(2).expand(-1, -1, weights.shape[1], -1)
    else:
        orders = orders_within(order, audited.admissible)
    return weights.unsqueeze(1).expand(-1, order.shape[1], -1, -1).gather(-1, orders)


def orders_within(
    order: Int64[Tensor, "batch variant unit"], admissible: Bool[Tensor, "batch row unit"]
) -> Int64[Tensor, "batch variant row unit"]:
    """Each row's part of a common order: the k-th of its admissible units gets the k-th in it."""
    every = (-1, order.shape[1], admissible.shape[1], -1)
    drawn = order.unsqueeze(2).expand(every)
    is_admissible = admissible.unsqueeze(1).expand(every).gather(-1, drawn)
    place = (~admissible).int().argsort(dim=-1, stable=True)  # the row's units come first
    rank = (is_admissible.cumsum(-1) - 1).clamp_min(0)
    target = place.unsqueeze(1).expand(every).gather(-1, rank)
    target = torch.where(is_admissible, target, drawn)
    return torch.empty_like(target).scatter_(-1, target, drawn)


def permuted_divergences(
    audited: AuditedBatch, order: Int64[Tensor, "batch variant unit"]
) -> Float64[Tensor, "batch variant"]:
    """Divergence between the explanation and what it becomes under each permutation, nats."""
    own = audited.explanation.unsqueeze(1)
    if not audited.is_unrestricted:
        shown = audited.explain(permuted(audited, audited.attention, order))
        return jensen_shannon_divergence(shown, own)
    # All rows alike: the explanation is permuted as they are, and its entropy stays.
    half = own / 2
    mixed = half.expand(-1, order.shape[1], -1).gather(-1, order).add_(half)
    return (entropy(mixed) - entropy(own)).clamp_min(0)
