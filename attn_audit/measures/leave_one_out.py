"""Importance by leaving one unit out."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_audit.distances import UnitMask
from attn_audit.measures.base import measured_in_portions
from attn_audit.models.contract import AuditedModel, Batch, require_finite


def leave_one_out_importance(model: AuditedModel, batch: Batch) -> Float[Tensor, "batch unit"]:
    """How far the prediction moves when a unit is left out, 0 to 1 (the output distance).

    Both outputs come from the same computation (`erase`), so that what differs is the unit alone.

    Returns:
        Float64; padding is 0, and so is a text's only unit where the model makes no number of an
        empty text.

    Raises:
        InvalidOutputError: An output is no finite number.

    Source:
        Jain & Wallace (2019), section 4.1, algorithm 1.
    """
    n_units = batch.unit_mask.shape[1]
    size = model.capacity.in_memory(64 * (n_units + 1) * n_units)  # an entry of the keep mask
    return measured_in_portions(_importance, model, batch, size)


def _importance(model: AuditedModel, batch: Batch) -> Float[Tensor, "batch unit"]:
    probabilities = model.task.probabilities(model.erase(batch, _all_and_each_but_one(batch)))
    distances = model.task.distance(probabilities[:, 1:], probabilities[:, :1]) * batch.unit_mask
    # Of a text without any unit a model need not make a number, and no ranking asks for one.
    nothing_left = batch.unit_mask & (batch.unit_mask.sum(dim=1, keepdim=True) == 1)
    distances = distances.masked_fill(nothing_left & ~distances.isfinite(), 0)
    require_finite(batch, distances, "output without one of its units")
    return distances


def _all_and_each_but_one(batch: Batch) -> Bool[Tensor, "batch variant unit"]:
    """Keep everything, then everything but each unit; beyond a text's units: everything."""
    mask: UnitMask = batch.unit_mask
    n_units = mask.shape[1]
    but_one = ~torch.eye(n_units, dtype=torch.bool, device=mask.device)
    keep = torch.cat([torch.ones_like(but_one[:1]), but_one])
    return keep & mask.unsqueeze(1)
