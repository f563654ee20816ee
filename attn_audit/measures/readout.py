"""Attention of every token to every token, as the row that is read out sees it, by one pass."""

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.measures.base import measured_in_portions, n_whole_together, normalised, shared
from attn_audit.models.contract import AuditedModel, Batch, WholeAttention


def attention_all_layers(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    """The mean over layers and heads of the row that is read out, over the audited units."""
    n_heads = [layer.n_heads for layer in model.layers[: model.default_site.layer + 1]]
    of_layers = torch.split(attention_of_heads(model, batch), n_heads, dim=2)
    return normalised(torch.stack([heads.mean(dim=2) for heads in of_layers]).sum(dim=0))


def rollout(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    r"""Where the attention of all layers leads to, were there nothing else but residuals.

    .. math:: J_l = \tfrac{1}{2} (\bar{A}_l + I) J_{l-1}

    with the mean over heads; the row that is read out behind the last layer, over the audited
    units.

    Source:
        Abnar & Zuidema (2020), Quantifying attention flow in transformers, section 3.
    """
    return normalised(_read_out(model, batch)[..., -1])


def attention_of_heads(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit head"]:
    """As `of_heads`, by the pass that rollout shares."""
    return _read_out(model, batch)[..., :-1]


def of_heads(batch: Batch, whole: WholeAttention) -> Float64[Tensor, "batch unit head"]:
    """The weights of every head in the row that is read out, as the model has them."""
    rows = torch.cat(
        [
            torch.einsum(
                "bq,bhqk->bhk",
                whole.readout,
                weights.double().masked_fill(~whole.real[:, None, :, None], 0),
            )
            for weights in whole.layers
        ],
        dim=1,
    )
    return torch.stack([batch.sum_over_units(row) for row in rows.unbind(dim=1)], dim=2)


def _read_out(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit number"]:
    """Of every head, then of all layers together."""

    def measured() -> Tensor:
        size = n_whole_together(model, batch)
        return measured_in_portions(_of_portion, model, batch, size)

    return shared(batch, "read out", measured)


def _of_portion(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit number"]:
    whole = model.read_whole(batch)
    row = whole.readout  # from the last layer down: a row is carried where a square would be
    for weights in reversed(whole.layers):
        mean = weights.double().mean(dim=1).masked_fill(~whole.real.unsqueeze(2), 0)
        row = (torch.einsum("bq,bqk->bk", row, mean) + row) / 2
    rolled_out = batch.sum_over_units(row).unsqueeze(2)
    return torch.cat([of_heads(batch, whole), rolled_out], dim=2)
