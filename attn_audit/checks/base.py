"""What every check sees, and what it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from attn_audit.errors import InvalidOutputError
from attn_audit.models.base import AuditedModel, Batch, Reading, Site
from attn_audit.results.record import Status

Columns = dict[str, Sequence[Any]]
"""Values of record fields by name, one for each example of a batch; None where not measured."""

MIN_AUDITED_MASS = 1e-6
"""Below this share of attention on the audited units, an example's attention is rounding noise."""


@dataclass(frozen=True)
class AuditedBatch:
    """A batch with everything that several checks need, computed once."""

    model: AuditedModel
    batch: Batch
    reading: Reading
    seed: int
    attention: Float64[Tensor, "batch row unit"]
    """The model's weights, renormalised in float64."""
    explanation: Float64[Tensor, "batch unit"]
    """What people would be shown: the renormalised mean of the rows' raw weights."""
    mass: Float64[Tensor, " batch"]
    """Share of all attention that lies on the audited units."""
    probabilities: Float64[Tensor, "batch label"]

    @property
    def ids(self) -> list[str]:
        """Ids of the examples."""
        return [encoded.example.id for encoded in self.batch.encoded]

    @property
    def lengths(self) -> Int64[np.ndarray, " batch"]:
        """Units of each example."""
        return np.array([encoded.n_units for encoded in self.batch.encoded])

    @property
    def has_mass(self) -> Bool[np.ndarray, " batch"]:
        """Whether enough attention lies on the audited units to say anything."""
        has_mass: np.ndarray = (self.mass >= MIN_AUDITED_MASS).cpu().numpy()
        return has_mass


@runtime_checkable
class Check(Protocol):
    """One faithfulness check: its settings, and how it measures a batch."""

    id: ClassVar[str]
    question: ClassVar[str]
    """What it answers, in one sentence."""

    def run(self, audited: AuditedBatch) -> Columns:
        """Measure every example of a batch."""
        ...


def read_batch(model: AuditedModel, batch: Batch, site: Site, seed: int) -> AuditedBatch:
    """One forward pass, and what all checks derive from it.

    Args:
        model: The model.
        batch: Encoded examples.
        site: Whose attention is audited.
        seed: Of all draws.

    Raises:
        InvalidOutputError: A logit or weight is not a number.
    """
    (reading,) = model.read(batch, [site])
    _require_numbers(batch, reading.logits.masked_fill(_disallowed(batch, reading), 0), "output")
    _require_numbers(batch, reading.attention.flatten(1), "attention")
    attention = _normalised(reading.attention.double())
    mass = reading.mass.double()
    return AuditedBatch(
        model=model,
        batch=batch,
        reading=reading,
        seed=seed,
        attention=attention,
        explanation=_normalised(torch.einsum("br,bru->bu", mass, attention)),
        mass=mass.mean(dim=-1),
        probabilities=model.task.probabilities(reading.logits),
    )


def _normalised(weights: Float64[Tensor, "*batch unit"]) -> Float64[Tensor, "*batch unit"]:
    total = weights.sum(dim=-1, keepdim=True)
    return weights / torch.where(total > 0, total, 1)


def _disallowed(batch: Batch, reading: Reading) -> Bool[Tensor, "batch label"]:
    """Answers that an example does not allow: the only logits that may be -inf."""
    n_labels = reading.logits.shape[1]
    allowed = [item.candidates or (True,) * n_labels for item in batch.encoded]
    return ~torch.tensor(allowed, device=reading.logits.device)


def _require_numbers(batch: Batch, values: Float[Tensor, "batch any"], what: str) -> None:
    wrong = ~values.isfinite().all(dim=-1)
    if bool(wrong.any()):
        first = int(wrong.int().argmax())
        raise InvalidOutputError(batch.encoded[first].example.id, what)


def join_statuses(statuses: Sequence[Status]) -> str:
    """A record's status field: the reasons, or `measured` where there is none."""
    return "+".join(statuses) if statuses else Status.MEASURED


def or_none(values: np.ndarray, keep: np.ndarray) -> list[float | None]:
    """Values as plain floats, None where `keep` is False."""
    pairs = zip(values.tolist(), keep.tolist(), strict=True)
    return [value if kept else None for value, kept in pairs]


def rows_of(values: Tensor, lengths: np.ndarray) -> list[tuple[float, ...]]:
    """Per-unit values without their padding."""
    table = values.cpu().tolist()
    return [tuple(row[:n]) for row, n in zip(table, lengths.tolist(), strict=True)]
