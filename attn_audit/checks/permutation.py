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
    is_measured,
    or_none,
    output_distances,
    replayed_probabilities,
    statuses_of_interventions,
    uniform_attention,
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
        """A replay for each permutation, and one of uniform attention."""
        return int(n_permutations(np.array([n_units]), self.n_draws)[0]) + 1

    def run(self, audited: AuditedBatch) -> Columns:
        """Medians over the permutations, and what uniform attention does."""
        counts = n_permutations(audited.lengths, self.n_draws)
        distance, divergence = self._shuffle(audited, int(counts.max()))
        drawn = np.arange(distance.shape[1]) < counts[:, None]
        within = ((distance <= self.epsilon) & drawn).sum(axis=1) / counts
        uniform_distance, uniform_predictions = _uniform(audited)
        measured = is_measured(audited)
        return {
            fields.DISTANCE_FIELD.name: or_none(_medians(distance, drawn), measured),
            fields.JSD_FIELD.name: or_none(_medians(divergence, drawn), measured),
            fields.WITHIN_EPSILON_FIELD.name: or_none(within, measured),
            fields.UNIFORM_DISTANCE_FIELD.name: or_none(uniform_distance, measured),
            fields.UNIFORM_PREDICTION.name: [
                prediction if kept else None
                for prediction, kept in zip(uniform_predictions, measured, strict=True)
            ],
            fields.STATUS.name: statuses_of_interventions(audited),
        }

    def _shuffle(
        self, audited: AuditedBatch, n_variants: int
    ) -> tuple[Float64[np.ndarray, "batch variant"], Float64[np.ndarray, "batch variant"]]:
        """Output distance and attention divergence of every permutation."""
        keys = example_keys(audited.seed, audited.ids, self.id)
        distances, divergences = [], []
        for portion in in_portions(n_variants, audited.in_cache(n_bytes=64)):
            draws = range(n_variants)[portion]
            n_units = audited.attention.shape[-1]
            order = torch.from_numpy(permutations(keys, audited.lengths, draws, n_units))
            order = order.to(audited.attention.device)
            with torch.no_grad():
                shuffled = permuted(audited, audited.reading.attention, order)
                distances.append(output_distances(audited, shuffled))
            divergences.append(permuted_divergences(audited, order))
        return torch.cat(distances, 1).cpu().numpy(), torch.cat(divergences, 1).cpu().numpy()


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


def _uniform(
    audited: AuditedBatch,
) -> tuple[Float64[np.ndarray, " batch"], list[str] | list[tuple[str, ...]]]:
    """Output distance and prediction with the same weight on every unit a row may attend to."""
    with torch.no_grad():
        uniform = uniform_attention(audited).unsqueeze(1)
        probabilities = replayed_probabilities(audited, uniform).squeeze(1)
    task = audited.model.task
    distance = task.distance(probabilities, audited.probabilities)
    return distance.cpu().numpy(), task.predictions(probabilities)


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
    """Each row's part of a common order: its k-th unit gets the k-th of its units in that order.

    Args:
        admissible: The units that each row may attend to; the others stay where they are.
    """
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
