"""Importance by leaving one unit out."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.measures.base import joined_portions
from attn_audit.models.capacity import BYTES_OF_AN_OUTPUT
from attn_audit.models.contract import AuditedModel, Batch, coarseness, require_finite
from attn_audit.models.margin import Margin
from attn_audit.progress import in_portions

WITHOUT_ONE = "output without one of its units"
"""What a message calls it."""


@dataclass(frozen=True)
class LeaveOneOut:
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


def leave_out(model: AuditedModel, batch: Batch, margin: Margin | None = None) -> LeaveOneOut:
    """Leave out each unit of each text.

    Of a text's only unit what it does is 0 where the model makes no number of an empty text.

    Args:
        margin: On the full texts as the model reads them: that says which of them have one. None:
            as the outputs are from which nothing is left out.
    """
    n_units = batch.unit_mask.shape[1]
    # An entry of the keep mask, or an output.
    n_bytes = BYTES_OF_AN_OUTPUT * (n_units + 1) * max(n_units, model.task.n_logits)

    def left_out(part: Batch, portion: slice) -> Float64[Tensor, "batch unit 5"]:
        own = None if margin is None else margin.take(portion)
        return _left_out(model, part, own)

    found = joined_portions(left_out, model, batch, model.capacity.in_memory(n_bytes))
    distance, lost, moved, against, noise = found.unbind(dim=2)
    return LeaveOneOut(distance, lost, moved, against, noise[:, 0])


def _left_out(
    model: AuditedModel, batch: Batch, margin: Margin | None
) -> Float64[Tensor, "batch unit 5"]:
    """Of some texts, as many units at a time as there is memory for the outputs of."""
    n_units, task = batch.unit_mask.shape[1], model.task
    size = model.capacity.in_memory(BYTES_OF_AN_OUTPUT * len(batch) * task.n_logits)
    mask = batch.unit_mask.unsqueeze(1)
    but_one = ~torch.eye(n_units, dtype=torch.bool, device=mask.device)
    keep = torch.cat([torch.ones_like(but_one[:1]), but_one]) & mask  # first the text itself
    found = []
    for portion in in_portions(n_units + 1, size):
        logits = model.erase(batch, keep[:, portion])
        if portion.start == 0:
            whole, logits = logits[:, 0], logits[:, 1:]
            require_finite(batch, task.probabilities(whole), WITHOUT_ONE)
            if margin is None:
                margin = Margin.of(task, whole, coarseness(model.dtype), model.logit_limits)
            own, probabilities = margin.beside(whole), task.probabilities(whole).unsqueeze(1)
        distance = task.distance(task.probabilities(logits), probabilities)
        found.append((distance, own.lost(logits), own.moved(logits), own.raised(logits)))
    distance, *effects = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
    distance = torch.where(batch.unit_mask, distance, 0)
    # Of a text without any unit a model need not make a number, and no ranking asks for one.
    is_only = batch.unit_mask & (batch.unit_mask.sum(dim=1, keepdim=True) == 1)
    nothing_left = is_only & ~distance.isfinite()
    distance = distance.masked_fill(nothing_left, 0)
    require_finite(batch, distance, WITHOUT_ONE)
    effects = [torch.where(batch.unit_mask & ~nothing_left, effect, 0) for effect in effects]
    return torch.stack([distance, *effects, own.noise.unsqueeze(1).expand_as(distance)], dim=2)
