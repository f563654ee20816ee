"""From encoded examples to what the checks see of them."""

import math
from collections.abc import Iterator, Sequence

import torch

from attn_audit.checks.base import AuditedBatch, normalised
from attn_audit.importance.measures import Importances
from attn_audit.models.base import AuditedModel, Batch, Reading, Site
from attn_audit.models.validity import require_numbers

MAX_BATCH_WEIGHTS = 2_000_000
"""Attention weights of a batch over all rows and sites: what bounds its memory. Where every
token's row is read, they grow with the square of the length."""


def read_batch(model: AuditedModel, batch: Batch, site: Site, seed: int) -> AuditedBatch:
    """One forward pass, and what all checks derive from it at one site.

    Args:
        model: The model.
        batch: Encoded examples.
        site: Whose attention is audited.
        seed: Of all draws.

    Raises:
        InvalidOutputError: A logit or weight is not a number.
    """
    return _derive(model, batch, model.read(batch, [site]), seed)[0]


def read_batches(
    model: AuditedModel, batch: Batch, sites: Sequence[Site], seed: int
) -> Iterator[list[AuditedBatch]]:
    """One forward pass for all sites; a batch with too many weights is read again in parts.

    Args:
        model: The model.
        batch: Encoded examples.
        sites: Whose attention is audited.
        seed: Of all draws.

    Yields:
        The next examples of the batch, mostly all of them, at every site.

    Raises:
        InvalidOutputError: A logit or weight is not a number.
    """
    readings = model.read(batch, sites)
    n_weights = sum(reading.attention.numel() for reading in readings)
    n_parts = max(1, math.ceil(n_weights / MAX_BATCH_WEIGHTS))
    size = max(1, len(batch) // n_parts)
    if size >= len(batch):
        yield _derive(model, batch, readings, seed)
        return
    del readings
    for start in range(0, len(batch), size):
        part = model.collate(batch.encoded[start : start + size])
        yield _derive(model, part, model.read(part, sites), seed)


def _derive(
    model: AuditedModel, batch: Batch, readings: Sequence[Reading], seed: int
) -> list[AuditedBatch]:
    importances = Importances(model, batch)
    return [_audited(model, batch, reading, seed, importances) for reading in readings]


def _audited(
    model: AuditedModel, batch: Batch, reading: Reading, seed: int, importances: Importances
) -> AuditedBatch:
    require_numbers(batch, reading)
    attention = normalised(reading.attention.double())
    mass = reading.mass.double()
    return AuditedBatch(
        model=model,
        batch=batch,
        reading=reading,
        seed=seed,
        importances=importances,
        attention=attention,
        explanation=normalised(torch.einsum("br,bru->bu", mass, attention)),
        mass=mass.sum(dim=-1) / reading.row_mask.sum(dim=-1).clamp_min(1),
        probabilities=model.task.probabilities(reading.logits),
    )
