"""Attention times its gradient, through all layers."""

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.measures.base import measured_in_portions, n_whole_together, normalised
from attn_audit.measures.gradient_x_input import Target
from attn_audit.models.contract import AuditedModel, Batch, require_finite


def attention_gradient(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    r"""Attention that speaks for the prediction, as gradients tell.

    .. math:: R \leftarrow R + \overline{(\nabla A_l \odot A_l)^+} R

    from I on, layer by layer, with the mean over heads; the gradient is that of the model's own
    output for the prediction. The row that is read out, without its own entry, over the audited
    units. Where tokens are pooled: what is above 0 of each weight times the gradient of the
    log-odds in it.

    Source:
        Chefer et al. (2021), Generic attention-model explainability, section 3.1, equations 5, 6.
    """
    if model.not_whole_because is None:
        return measured_in_portions(_of_layers, model, batch, n_whole_together(model, batch))
    return _of_pooling(model, batch)


def _of_layers(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    whole = model.read_whole(batch, differentiable=True)
    score = Target.of(model.task, whole.logits).output(whole.outputs)
    gradients = torch.autograd.grad(score.sum(), whole.layers)
    n_tokens = whole.real.shape[1]
    relevance = torch.eye(n_tokens, dtype=torch.float64, device=model.device).expand(
        len(whole.real), -1, -1
    )
    for weights, gradient in zip(whole.layers, gradients, strict=True):
        product = weights.detach().double() * gradient.double()
        mean = product.clamp_min(0).mean(dim=1).masked_fill(~whole.real.unsqueeze(2), 0)
        relevance = relevance + mean @ relevance
    # What a row says of its own token is mostly the identity that it started from.
    relevance = relevance.masked_fill(torch.eye(n_tokens, device=model.device).bool(), 0)
    found = batch.sum_over_units(torch.einsum("bq,bqk->bk", whole.readout, relevance))
    require_finite(batch, found, "gradient of attention")
    return normalised(found)


def _of_pooling(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    (reading,) = model.read(batch, [model.default_site])
    with torch.enable_grad():
        own = reading.attention.detach().clone().requires_grad_()
        logits = reading.replay(own.unsqueeze(1))[:, 0]
        odds = Target.of(model.task, reading.logits).log_odds(logits)
    (gradient,) = torch.autograd.grad(odds.sum(), own)
    require_finite(batch, gradient.flatten(1), "gradient of attention")
    product = reading.attention.double() * gradient.double()
    return normalised(product.clamp_min(0).sum(dim=1) * batch.unit_mask)
