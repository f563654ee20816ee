"""Gradient times input, through attention."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.measures.base import measured_in_portions, n_together
from attn_audit.models.contract import AuditedModel, Batch, require_finite, times_input
from attn_audit.models.margin import Margin
from attn_audit.models.task import Task, log_odds


@dataclass(frozen=True)
class Target:
    """What is predicted of each text of a batch; of several labels those that are audited."""

    task: Task
    margin: Margin

    @staticmethod
    def of(task: Task, logits: Logits) -> "Target":
        """That of these logits, of the full texts."""
        return Target(task, Margin.of(task, logits))

    def log_odds(self, logits: Logits) -> Float[Tensor, " batch"]:
        """Of what was predicted on the full text, whatever these logits predict; differentiable.

        Of several labels the mean over the audited ones, of each with the sign that it has.
        """
        if self.task.is_softmax:
            return log_odds(logits, self.margin.own)
        return self._mean(logits)

    def output(self, outputs: Float[Tensor, "batch output"]) -> Float[Tensor, " batch"]:
        """The model's own output for it, which does not fall where another's rises."""
        if self.task.n_logits == 1 and outputs.shape[1] == 2:
            return outputs.gather(1, (self.margin.sign > 0).long()).squeeze(1)
        if self.task.is_softmax:
            return outputs.gather(1, self.margin.own).squeeze(1)
        return self._mean(outputs)

    def _mean(self, logits: Logits) -> Float[Tensor, " batch"]:
        parts = self.margin.sign * self.margin.share
        return (logits.double().gather(1, self.margin.own) * parts).sum(dim=1)


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
    found = batch.sum_over_units(times_input(gradient, embeddings, model.dtype))
    require_finite(batch, found, "gradient")
    return found * batch.unit_mask


def gradient_at(
    model: AuditedModel,
    batch: Batch,
    embeddings: Float[Tensor, "sequence token embedding"],
    target: Target | None = None,
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "sequence token embedding"]]:
    """The log-odds of the target, or of what is predicted here, and their gradient."""
    leaf = embeddings.detach().requires_grad_()
    with torch.enable_grad():
        logits = model.forward(batch, leaf, hold_attention=False)
        odds = (target or Target.of(model.task, logits)).log_odds(logits)
    (gradient,) = torch.autograd.grad(odds.sum(), leaf)
    return odds.detach(), gradient
