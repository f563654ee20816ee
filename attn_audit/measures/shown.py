"""Scores that a product shows: they come with the data, however they were made."""

from math import nan

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.models.contract import AuditedModel, Batch


def scores_of(field: str, model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    """Those of each unit as a field of the data has them; NaN of a text that came without."""
    found = torch.zeros(batch.unit_mask.shape, dtype=torch.float64)
    for row, item in zip(found, batch.encoded, strict=True):
        scores = item.example.shown.get(field)
        spans = [(unit.start, unit.end) for unit in item.units]
        own = [nan] * len(spans) if scores is None else scores.of_units(spans)
        row[: len(spans)] = torch.tensor(own, dtype=torch.float64)
    return found.to(batch.unit_mask.device)
