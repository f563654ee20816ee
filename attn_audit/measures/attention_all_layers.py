"""Attention of all layers and heads, as if it were one."""

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.measures.base import normalised
from attn_audit.models.contract import AuditedModel, Batch, Site


def attention_all_layers(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    """The mean over layers and heads of the row that is read out, over the audited units."""
    sites = [Site(layer) for layer in range(model.default_site.layer + 1)]
    total = torch.zeros(batch.unit_mask.shape, dtype=torch.float64, device=model.device)
    for reading in model.read(batch, sites):
        rows = reading.attention.double() * reading.mass.double().unsqueeze(2)
        n_rows = reading.row_mask.sum(dim=1, keepdim=True).clamp_min(1)
        total += rows.sum(dim=1) / n_rows
    return normalised(total)


def why_not(model: AuditedModel) -> str | None:
    """It takes several layers."""
    if len(model.layers) == 1:
        return "it has one attention, which is the audited one"
    return model.not_whole_because
