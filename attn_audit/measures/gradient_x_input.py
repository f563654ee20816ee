"""Gradient times input, through attention."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.measures.base import measured_in_portions, n_together
from attn_audit.measures.target import Target
from attn_audit.models.contract import AuditedModel, Batch, require_finite


def gradient_x_input(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    r"""What each unit's embedding adds to the log-odds of the prediction, to first order.

    .. math:: g_u = \sum_e x_{ue} \frac{\partial s}{\partial x_{ue}}

    Unlike the paper's gradient, attention moves with the embedding.

    Source:
        Shrikumar et al. (2016), Not just a black box, section 2; Captum's `InputXGradient`.
    """
    return measured_in_portions(_contributions, model, batch, n_together(model, batch))


def _contributions(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    embeddings = model.embed(batch).detach()
    _, gradient = gradient_at(model, batch, embeddings)
    found = batch.sum_over_units((gradient.double() * embeddings.double()).sum(dim=-1))
    require_finite(batch, found, "gradient")
    return found * batch.unit_mask


def gradient_at(
    model: AuditedModel,
    batch: Batch,
    embeddings: Float[Tensor, "sequence token embedding"],
    target: Target | None = None,
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "sequence token embedding"]]:
    """The log-odds of the prediction at some embeddings, and their gradient there.

    Args:
        target: What is predicted; None: here.
    """
    leaf = embeddings.detach().requires_grad_()
    with torch.enable_grad():
        logits = model.forward(batch, leaf, hold_attention=False)
        odds = (target or Target.of(model.task, logits)).log_odds(logits)
    (gradient,) = torch.autograd.grad(odds.sum(), leaf)
    return odds.detach(), gradient
