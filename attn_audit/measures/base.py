"""Importance of a large batch, a few of its examples at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.models.contract import AuditedModel, Batch
from attn_audit.progress import in_portions

Importance = Callable[[AuditedModel, Batch], Float[Tensor, "batch unit *number"]]


def _applies(model: AuditedModel) -> None:
    return None


@dataclass(frozen=True)
class Computation:
    """How a measure's scores come about."""

    scores: Importance
    """Float64 [batch unit], padding 0: larger where a unit speaks more for the prediction, below 0
    where it speaks against it, if the measure is signed."""
    why_not: Callable[[AuditedModel], str | None] = _applies
    """Why a model has no such scores, as a clause; None where it has."""


def measured_in_portions(
    measure: Importance, model: AuditedModel, batch: Batch, size: int
) -> Float[Tensor, "batch unit *number"]:
    """What a measure says of a batch, so that no more than a portion's states are in memory.

    Args:
        measure: Gives each unit's importance; padding is 0.
        batch: Examples of one batch, of similar length.
        size: Examples that go together; at least 1.

    Returns:
        Float64; padding is 0.
    """
    if len(batch) <= size:
        return measure(model, batch)
    n_units, parts = batch.unit_mask.shape[1], []
    for portion in in_portions(len(batch), size):
        importance = measure(model, model.collate(batch.encoded[portion]))
        padding = importance.new_zeros(
            len(importance), n_units - importance.shape[1], *importance.shape[2:]
        )
        parts.append(torch.cat([importance, padding], dim=1))
    return torch.cat(parts)
