"""Attention rollout."""

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.measures.base import measured_in_portions, n_whole_together, normalised
from attn_audit.models.contract import AuditedModel, Batch


def rollout(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    r"""Where the attention of all layers leads to, were there nothing else but residuals.

    .. math:: J_l = \tfrac{1}{2} (\bar{A}_l + I) J_{l-1}

    with the mean over heads; the row that is read out behind the last layer, over the audited
    units.

    Source:
        Abnar & Zuidema (2020), Quantifying attention flow in transformers, section 3.
    """
    return measured_in_portions(_rolled_out, model, batch, n_whole_together(model, batch))


def _rolled_out(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    whole = model.read_whole(batch)
    row = whole.readout  # from the last layer down: a row is carried where a square would be
    for weights in reversed(whole.layers):
        mean = weights.double().mean(dim=1).masked_fill(~whole.real.unsqueeze(2), 0)
        row = (torch.einsum("bq,bqk->bk", row, mean) + row) / 2
    return normalised(batch.sum_over_units(row))


def why_not(model: AuditedModel) -> str | None:
    """It takes layers from tokens to tokens."""
    return model.not_whole_because
