"""Permutation: does the prediction depend on which units attention points at?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64

from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.columns import Columns, or_none
from attn_audit.checks.interventions import is_measured, statuses_of_interventions
from attn_audit.checks.permuting import permuted, permuted_divergences
from attn_audit.checks.replaying import (
    output_distances,
    replayed_probabilities,
    uniform_attention,
)
from attn_audit.findings import permutation as fields
from attn_audit.progress import portions
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
        step = audited.in_cache(n_bytes=64)
        distances, divergences = [], []
        for start in portions(range(0, n_variants, step)):
            draws = range(start, min(start + step, n_variants))
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
