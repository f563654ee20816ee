"""Importance by leaving one unit out."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from attn_audit.distances import UnitMask
from attn_audit.measures.base import measured_in_portions
from attn_audit.models.contract import AuditedModel, Batch, coarseness, require_finite
from attn_audit.models.margin import Margin


@dataclass(frozen=True)
class LeftOut:
    """What each unit does to the output by not being there; padding is 0.

    All outputs come from the same computation (`erase`), so that what differs is the unit alone.
    """

    distance: Float64[Tensor, "batch unit"]
    """How far the prediction moves, 0 to 1 (the output distance): Jain & Wallace (2019), section
    4.1, algorithm 1."""
    lost: Float64[Tensor, "batch unit"]
    """The share of the margin that is lost: above 0 where the unit speaks for the prediction, below
    0 where it speaks against it; NaN where the text has no margin."""
    moved: Float64[Tensor, "batch unit"]
    """By which share the margin moves, either way: of several labels the mean over them."""
    against: Float64[Tensor, "batch unit"]
    """Whether the unit speaks against the prediction, beyond rounding: 1 or 0, of several labels
    the share for which it does."""
    noise: Float64[Tensor, " batch"]
    """The share of the margin that is rounding."""


def leave_out(model: AuditedModel, batch: Batch) -> LeftOut:
    """Leave out each unit of each text.

    Of a text's only unit what it does is 0 where the model makes no number of an empty text.

    Raises:
        InvalidOutputError: An output is no finite number.
    """
    n_units = batch.unit_mask.shape[1]
    size = model.capacity.in_memory(64 * (n_units + 1) * n_units)  # an entry of the keep mask
    found = measured_in_portions(_left_out, model, batch, size)
    distance, lost, moved, against, noise = found.unbind(2)
    return LeftOut(distance, lost, moved, against, noise[:, 0])


def _left_out(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit number"]:
    logits = model.erase(batch, _all_and_each_but_one(batch))
    probabilities = model.task.probabilities(logits)
    distances = model.task.distance(probabilities[:, 1:], probabilities[:, :1]) * batch.unit_mask
    # Of a text without any unit a model need not make a number, and no ranking asks for one.
    nothing_left = batch.unit_mask & (batch.unit_mask.sum(dim=1, keepdim=True) == 1)
    nothing_left &= ~distances.isfinite()
    distances = distances.masked_fill(nothing_left, 0)
    require_finite(batch, distances, "output without one of its units")
    margin = Margin.of(model.task, logits[:, 0], coarseness(model.dtype), model.logit_limits)
    counted = batch.unit_mask & ~nothing_left
    without = logits[:, 1:]
    effects = (margin.lost(without), margin.moved(without), margin.raised(without))
    noise = margin.noise.unsqueeze(1).expand_as(distances)
    found = [distances, *(torch.where(counted, effect, 0) for effect in effects), noise]
    return torch.stack(found, dim=2)


def _all_and_each_but_one(batch: Batch) -> Bool[Tensor, "batch variant unit"]:
    """Keep everything, then everything but each unit; beyond a text's units: everything."""
    mask: UnitMask = batch.unit_mask
    n_units = mask.shape[1]
    but_one = ~torch.eye(n_units, dtype=torch.bool, device=mask.device)
    keep = torch.cat([torch.ones_like(but_one[:1]), but_one])
    return keep & mask.unsqueeze(1)
