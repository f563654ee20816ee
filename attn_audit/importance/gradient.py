"""Importance by gradient times input, attention held constant."""

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.importance.portions import in_portions
from attn_audit.models.base import AuditedModel, Batch
from attn_audit.models.task import TaskKind
from attn_audit.models.validity import require_finite
from attn_audit.shapes import Logits


def gradient_importance(model: AuditedModel, batch: Batch) -> Float[Tensor, "batch unit"]:
    r"""How strongly each unit's embedding moves the prediction, to first order; at least 0.

    .. math:: g_u = \left| \sum_e x_{ue} \frac{\partial s}{\partial x_{ue}} \right|

    with attention held constant and s the log-odds of the predicted class: the same ranks as its
    probability, which the paper differentiates, without underflow where the output is saturated.
    Multilabel outputs: the sum over labels of sigmoid'(z) |dz|.

    Args:
        model: The model.
        batch: Examples of one batch.

    Returns:
        Float64, in units of s; padding is 0.

    Source:
        Jain & Wallace (2019), section 4.1 and algorithm 1 (attention disconnected from the graph).
    """
    longest = max(item.n_tokens for item in batch.encoded)
    return in_portions(_importance, model, batch, max(1, model.capacity.n_tokens // longest))


def _importance(model: AuditedModel, batch: Batch) -> Float[Tensor, "batch unit"]:
    embeddings = model.embed(batch).detach().requires_grad_()
    with torch.enable_grad():
        logits = model.forward(batch, embeddings, hold_attention=True)
        scores, scales = _targets(model.task.kind, logits)
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


def _targets(
    kind: TaskKind, logits: Logits
) -> tuple[Float[Tensor, "batch score"], Float[Tensor, "batch score"]]:
    """What is differentiated, and the factor of each part."""
    match kind:
        case TaskKind.BINARY:
            return logits, torch.ones_like(logits, dtype=torch.float64)
        case TaskKind.MULTILABEL:
            probability = logits.detach().double().sigmoid()
            return logits, probability * (1 - probability)
        case TaskKind.MULTICLASS | TaskKind.CANDIDATES:
            odds = predicted_log_odds(logits).unsqueeze(1)
            return odds, torch.ones_like(odds, dtype=torch.float64)


def predicted_log_odds(logits: Logits) -> Float[Tensor, " batch"]:
    """Log-odds of the largest softmax output against all others; 0 where there is no other.

    Args:
        logits: -inf for answers that an example does not allow.

    Returns:
        z_c - logsumexp of the other logits, differentiable.
    """
    predicted = logits.detach().argmax(dim=-1, keepdim=True)
    is_other = torch.ones_like(logits, dtype=torch.bool).scatter(1, predicted, False)
    is_other &= logits.detach() > -torch.inf
    low = torch.finfo(logits.dtype).min
    others = logits.masked_fill(~is_other, low).logsumexp(dim=-1)
    own = logits.gather(1, predicted).squeeze(1)
    return torch.where(is_other.any(dim=-1), own - others, torch.zeros_like(own) * own)
