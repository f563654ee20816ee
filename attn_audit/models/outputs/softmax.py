"""One of several labels, softmax: over all, or over the candidates that an example allows."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.models.task import Task, TaskKind


class Multiclass(Task):
    """Labels that compete."""

    name = TaskKind.MULTICLASS.value
    is_softmax = True

    def predictions(self, probabilities: Float[Tensor, "batch label"]) -> list[str]:
        """The likeliest label; ties go to the lower index."""
        return [self.labels[i] for i in probabilities.argmax(dim=-1).tolist()]

    def scores(
        self, logits: Float[Tensor, "batch label"]
    ) -> tuple[Float[Tensor, "batch score"], Float64[Tensor, "batch score"]]:
        """The log-odds of the predicted label."""
        odds = predicted_log_odds(logits).unsqueeze(1)
        return odds, torch.ones_like(odds, dtype=torch.float64)


class Candidates(Multiclass):
    """Labels of which each example may allow some."""

    name = TaskKind.CANDIDATES.value


def predicted_log_odds(logits: Logits) -> Float[Tensor, " batch"]:
    """Log-odds of the largest softmax output against all others; 0 where there is no other.

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
