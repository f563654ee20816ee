"""Importance by leaving one unit out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor
from torch.nn import functional as F

from attn_audit.models.capacity import BYTES_OF_AN_OUTPUT
from attn_audit.models.contract import AuditedModel, Batch, coarseness, require_finite
from attn_audit.models.margin import Margin
from attn_audit.progress import in_portions

WITHOUT_ONE = "output without one of its units"
"""What a message calls it."""


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

    @staticmethod
    def joined(parts: "Sequence[LeftOut]", n_units: int) -> "LeftOut":
        """Texts of several portions, padded to as many units."""

        def padded(values: Sequence[Tensor]) -> Tensor:
            return torch.cat([F.pad(each, (0, n_units - each.shape[1])) for each in values])

        return LeftOut(
            distance=padded([part.distance for part in parts]),
            lost=padded([part.lost for part in parts]),
            moved=padded([part.moved for part in parts]),
            against=padded([part.against for part in parts]),
            noise=torch.cat([part.noise for part in parts]),
        )


def leave_out(model: AuditedModel, batch: Batch, margin: Margin | None = None) -> LeftOut:
    """Leave out each unit of each text.

    Of a text's only unit what it does is 0 where the model makes no number of an empty text.

    Args:
        margin: On the full texts as the model reads them: that says which of them have one. None:
            as the outputs are from which nothing is left out.

    Raises:
        InvalidOutputError: An output is no finite number.
    """
    n_units, n_texts = batch.unit_mask.shape[1], len(batch)
    # An entry of the keep mask, or an output.
    n_bytes = BYTES_OF_AN_OUTPUT * (n_units + 1) * max(n_units, model.task.n_logits)
    size = model.capacity.in_memory(n_bytes)
    if n_texts <= size:
        return _left_out(model, batch, margin)
    parts = []
    for portion in in_portions(n_texts, size):
        own = None if margin is None else margin.take(portion)
        parts.append(_left_out(model, model.collate(batch.encoded[portion]), own))
    return LeftOut.joined(parts, n_units)


def _left_out(model: AuditedModel, batch: Batch, margin: Margin | None) -> LeftOut:
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
    distance, counted = _distances(batch, distance)
    lost, moved, against = (torch.where(counted, effect, 0) for effect in effects)
    return LeftOut(distance, lost, moved, against, own.noise)


def _distances(
    batch: Batch, distances: Float64[Tensor, "batch unit"]
) -> tuple[Float64[Tensor, "batch unit"], Bool[Tensor, "batch unit"]]:
    """How far the outputs are from each other, and of which units that can be said."""
    distances = torch.where(batch.unit_mask, distances, 0)
    # Of a text without any unit a model need not make a number, and no ranking asks for one.
    nothing_left = batch.unit_mask & (batch.unit_mask.sum(dim=1, keepdim=True) == 1)
    nothing_left &= ~distances.isfinite()
    distances = distances.masked_fill(nothing_left, 0)
    require_finite(batch, distances, WITHOUT_ONE)
    return distances, batch.unit_mask & ~nothing_left
