"""Importance by leaving one unit out."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from attn_audit.distances import Logits
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


def leave_out(model: AuditedModel, batch: Batch, margin: Margin | None = None) -> LeftOut:
    """Leave out each unit of each text.

    Of a text's only unit what it does is 0 where the model makes no number of an empty text.

    Args:
        margin: On the full texts as the model reads them: that says which of them have one. None:
            as the outputs are from which nothing is left out.

    Raises:
        InvalidOutputError: An output is no finite number.
    """
    whole, without = _erased(model, batch)
    distance, counted = _distances(model, batch, whole, without)
    if margin is None:
        margin = Margin.of(model.task, whole, coarseness(model.dtype), model.logit_limits)
    own = margin.beside(whole)
    lost, moved, against = (
        torch.where(counted, effect(without), 0) for effect in (own.lost, own.moved, own.raised)
    )
    return LeftOut(distance, lost, moved, against, own.noise)


def _erased(model: AuditedModel, batch: Batch) -> tuple[Logits, Float[Tensor, "batch unit label"]]:
    """Logits of the full texts, and without each unit."""
    n_units = batch.unit_mask.shape[1]
    size = model.capacity.in_memory(64 * (n_units + 1) * n_units)  # an entry of the keep mask
    found = measured_in_portions(_whole_and_without_each, model, batch, size)
    whole, without = found.chunk(2, dim=2)
    return whole[:, 0], without


def _whole_and_without_each(
    model: AuditedModel, batch: Batch
) -> Float[Tensor, "batch unit number"]:
    """Beyond a text's units, nothing is left out."""
    mask = batch.unit_mask.unsqueeze(1)
    but_one = ~torch.eye(mask.shape[2], dtype=torch.bool, device=mask.device)
    keep = torch.cat([torch.ones_like(but_one[:1]), but_one]) & mask
    logits = model.erase(batch, keep)
    without = logits[:, 1:]
    return torch.cat([logits[:, :1].expand_as(without), without], dim=2)


def _distances(
    model: AuditedModel, batch: Batch, whole: Logits, without: Float[Tensor, "batch unit label"]
) -> tuple[Float64[Tensor, "batch unit"], Bool[Tensor, "batch unit"]]:
    """How far the outputs are from each other, and of which units that can be said."""
    task = model.task
    own = task.probabilities(whole.unsqueeze(1))
    distances = task.distance(task.probabilities(without), own)
    distances = torch.where(batch.unit_mask, distances, 0)
    # Of a text without any unit a model need not make a number, and no ranking asks for one.
    nothing_left = batch.unit_mask & (batch.unit_mask.sum(dim=1, keepdim=True) == 1)
    nothing_left &= ~distances.isfinite()
    distances = distances.masked_fill(nothing_left, 0)
    require_finite(batch, distances, "output without one of its units")
    return distances, batch.unit_mask & ~nothing_left
