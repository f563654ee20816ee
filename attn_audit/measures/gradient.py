"""Importance by gradient times input, attention held constant."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.measures.base import joined_portions, measured_in_portions, n_together
from attn_audit.models.contract import AuditedModel, Batch, Rule, Site, require_finite, times_input
from attn_audit.models.margin import Margin


def gradients(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit 2"]:
    r"""How strongly each unit's embedding moves the prediction, to first order: its size, its sign.

    .. math:: g_u = \sum_e x_{ue} \frac{\partial s}{\partial x_{ue}}

    with attention held constant and s the log-odds of the predicted class: the same ranks as its
    probability, which the paper differentiates, without underflow where the output is saturated.
    Multilabel outputs: the sum over labels of sigmoid'(z) |dz|; the sign is that of the mean over
    the audited ones.

    Returns:
        In units of s: at least 0, and above 0 where the unit speaks for the prediction; padding is
        0.

    Source:
        Jain & Wallace (2019), section 4.1 and algorithm 1 (attention disconnected from the graph).
    """
    return measured_in_portions(_gradients, model, batch, n_together(model, batch))


def gradients_under(
    model: AuditedModel, batch: Batch, rules_of: Callable[[slice], Mapping[Site, Rule]]
) -> Float64[Tensor, "batch unit"]:
    """Their sizes, of the output that the model has where sites attend as rules say."""
    return joined_portions(
        lambda part, portion: _gradients(model, part, rules_of(portion))[..., 0],
        model,
        batch,
        n_together(model, batch),
    )


def _gradients(
    model: AuditedModel, batch: Batch, rules: Mapping[Site, Rule] | None = None
) -> Float64[Tensor, "batch unit 2"]:
    embeddings = model.embed(batch).detach().requires_grad_()
    with torch.enable_grad():
        logits = model.forward(batch, embeddings, hold_attention=True, rules=rules)
        scores, scales = model.task.scores(logits)
    signs = Margin.of(model.task, logits).signs(scores.shape[1])
    total = torch.zeros((*batch.unit_mask.shape, 2), dtype=torch.float64, device=model.device)
    n_scores = scores.shape[1]
    for i in range(n_scores):
        (gradient,) = torch.autograd.grad(
            scores[:, i].sum(), embeddings, retain_graph=i + 1 < n_scores
        )
        contribution = times_input(gradient, embeddings, model.dtype)
        of_units = scales[:, i, None] * batch.sum_over_units(contribution)
        total += torch.stack([of_units.abs(), signs[:, i, None] * of_units], dim=2)
    require_finite(batch, total.flatten(1), "gradient")
    return total * batch.unit_mask.unsqueeze(2)
