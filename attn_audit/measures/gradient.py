"""Importance by gradient times input, attention held constant."""

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.measures.base import measured_in_portions
from attn_audit.models.contract import AuditedModel, Batch, require_finite


def gradient_importance(model: AuditedModel, batch: Batch) -> Float[Tensor, "batch unit"]:
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
    longest = max(item.n_tokens for item in batch.encoded)
    return measured_in_portions(
        _importance, model, batch, max(1, model.capacity.n_tokens // longest)
    )


def _importance(model: AuditedModel, batch: Batch) -> Float[Tensor, "batch unit"]:
    embeddings = model.embed(batch).detach().requires_grad_()
    with torch.enable_grad():
        logits = model.forward(batch, embeddings, hold_attention=True)
        scores, scales = model.task.scores(logits)
    total = torch.zeros(batch.unit_mask.shape, dtype=torch.float64, device=model.device)
    n_scores = scores.shape[1]
    for i in range(n_scores):
        (gradient,) = torch.autograd.grad(
            scores[:, i].sum(), embeddings, retain_graph=i + 1 < n_scores
        )
        contribution = (gradient.double() * embeddings.detach().double()).sum(dim=-1)
        total += scales[:, i, None] * batch.sum_over_units(contribution).abs()
    require_finite(batch, total, "gradient")
    return total * batch.unit_mask
