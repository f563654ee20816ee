"""What every check sees, and what it gives."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from attn_audit.checks.columns import Columns
from attn_audit.importance.measures import Importances
from attn_audit.models.base import AuditedModel, Batch, Reading

MIN_AUDITED_MASS = 1e-6
"""Below this share of attention on the audited units, an example's attention is rounding noise."""


@dataclass(frozen=True)
class AuditedBatch:
    """A batch at one site, with everything that several checks need, computed once."""

    model: AuditedModel
    batch: Batch
    reading: Reading
    seed: int
    importances: Importances
    """Shared by all sites of the batch."""
    attention: Float64[Tensor, "batch row unit"]
    """The model's weights, renormalised in float64; zeros where a row has no mass."""
    explanation: Float64[Tensor, "batch unit"]
    """What people would be shown: the renormalised mean of the rows' raw weights."""
    mass: Float64[Tensor, " batch"]
    """Share of all attention that lies on the audited units: the mean over the rows there are."""
    probabilities: Float64[Tensor, "batch label"]

    @cached_property
    def ids(self) -> list[str]:
        """Ids of the examples."""
        return [encoded.example.id for encoded in self.batch.encoded]

    @cached_property
    def lengths(self) -> Int64[np.ndarray, " batch"]:
        """Units of each example."""
        return np.array([encoded.n_units for encoded in self.batch.encoded])

    @cached_property
    def has_mass(self) -> Bool[np.ndarray, " batch"]:
        """Whether enough attention lies on the audited units to say anything."""
        has_mass: np.ndarray = (self.mass >= MIN_AUDITED_MASS).cpu().numpy()
        return has_mass

    @cached_property
    def admissible(self) -> Bool[Tensor, "batch row unit"]:
        """The units that each row may attend to; none where there is no row."""
        every = self.reading.row_mask.unsqueeze(2) & self.batch.unit_mask.unsqueeze(1)
        return self.reading.admissible & every

    @cached_property
    def is_unrestricted(self) -> bool:
        """Whether every row may attend to every unit of its text: the usual case."""
        every = self.reading.row_mask.unsqueeze(2) & self.batch.unit_mask.unsqueeze(1)
        return bool((self.admissible == every).all())

    @cached_property
    def has_all_rows(self) -> bool:
        """Whether no text has fewer rows than another."""
        return bool(self.reading.row_mask.all())

    @cached_property
    def can_move(self) -> Bool[np.ndarray, " batch"]:
        """Whether some row may attend to two units, so that attention can lie elsewhere."""
        can_move: np.ndarray = (self.admissible.sum(dim=-1) > 1).any(dim=-1).cpu().numpy()
        return can_move

    @cached_property
    def row_share(self) -> Float64[Tensor, "batch row"]:
        """Each row's part in the explanation; they sum to 1, or are 0 where there is no mass."""
        return normalised(self.reading.mass.double())

    def in_cache(self, n_bytes: int) -> int:
        """How many variants of the batch make a portion.

        Args:
            n_bytes: That are worked on for each weight of each row.
        """
        return self.model.capacity.in_cache(n_bytes * self.attention.numel())

    def explain(
        self, weights: Float[Tensor, "batch variant row unit"]
    ) -> Float64[Tensor, "batch variant unit"]:
        """What people would be shown of other attention: the rows' mean, weighted by their mass.

        Args:
            weights: Each row sums to 1; rows that do not exist count for nothing.
        """
        return torch.einsum("br,bvru->bvu", self.row_share, weights.double())


@runtime_checkable
class Check(Protocol):
    """One faithfulness check: its settings, and how it measures a batch."""

    id: ClassVar[str]

    def run(self, audited: AuditedBatch) -> Columns:
        """Measure every example of a batch."""
        ...

    def passes(self, n_units: int) -> int:
        """Outputs that it has a model compute of an example of so many units, at one site.

        Whole passes, or replays that begin at the attention; of a search all its steps, though an
        exact adversary takes none.
        """
        ...


def normalised(weights: Float64[Tensor, "*batch unit"]) -> Float64[Tensor, "*batch unit"]:
    """Weights over their sum along the last axis; zeros stay zeros."""
    total = weights.sum(dim=-1, keepdim=True)
    return weights / torch.where(total > 0, total, 1)
