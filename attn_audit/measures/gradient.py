"""Importance by gradient times input, attention held constant."""

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.measures.base import measured_in_portions
from attn_audit.models.contract import AuditedModel, Batch, require_finite
from attn_audit.models.margin import Margin


def gradient_importance(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    r"""How strongly each unit's embedding moves the prediction, to first order; at least 0.

    .. math:: g_u = \left| \sum_e x_{ue} \frac{\partial s}{\partial x_{ue}} \right|

    with attention held constant and s the log-odds of the predicted class: the same ranks as its
    probability, which the paper differentiates, without underflow where the output is saturated.
    Multilabel outputs: the sum over labels of sigmoid'(z) |dz|.

    Returns:
        Float64, in units of s; padding is 0.

    Source:
        Jain & Wallace (2019), section 4.1 and algorithm 1 (attention disconnected from the graph).
    """
    return gradients(model, batch)[..., 0]


def gradients(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit 2"]:
    """The same, and with its sign: above 0 where the unit speaks for the prediction.

    Of several labels the sign is that of the mean over the audited ones.
    """
    longest = max(item.n_tokens for item in batch.encoded)
    size = max(1, model.capacity.n_tokens // longest)
    return measured_in_portions(_gradients, model, batch, size)


def _gradients(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit 2"]:
    embeddings = model.embed(batch).detach().requires_grad_()
    with torch.enable_grad():
        logits = model.forward(batch, embeddings, hold_attention=True)
        scores, scales = model.task.scores(logits)
    signs = Margin.of(model.task, logits).signs(scores.shape[1])
    total = torch.zeros((*batch.unit_mask.shape, 2), dtype=torch.float64, device=model.device)
    n_scores = scores.shape[1]
    for i in range(n_scores):
        (gradient,) = torch.autograd.grad(
            scores[:, i].sum(), embeddings, retain_graph=i + 1 < n_scores
        )
        contribution = (gradient.double() * embeddings.detach().double()).sum(dim=-1)
        of_units = scales[:, i, None] * batch.sum_over_units(contribution)
        total += torch.stack([of_units.abs(), signs[:, i, None] * of_units], dim=2)
    require_finite(batch, total.flatten(1), "gradient")
    return total * batch.unit_mask.unsqueeze(2)
