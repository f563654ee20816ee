"""From encoded examples to what the checks see of them."""

from collections.abc import Sequence

import torch

from attn_audit.checks.base import AuditedBatch, normalised
from attn_audit.importance.measures import Importances
from attn_audit.models.base import AuditedModel, Batch, Reading, Site
from attn_audit.models.validity import require_numbers


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
    return read_sites(model, batch, [site], seed)[0]


def read_sites(
    model: AuditedModel, batch: Batch, sites: Sequence[Site], seed: int
) -> list[AuditedBatch]:
    """One forward pass for all sites.

    Args:
        model: The model.
        batch: Encoded examples.
        sites: Whose attention is audited.
        seed: Of all draws.

    Returns:
        The batch at every site.

    Raises:
        InvalidOutputError: A logit or weight is not a number.
    """
    importances = Importances(model, batch)
    readings = model.read(batch, sites)
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
