"""One of several labels, softmax: over all, or over the candidates that an example allows."""

import torch
from jaxtyping import Float, Float64, Int64
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
        """The log-odds of the predicted label, or of the one that is explained."""
        odds = log_odds(logits, self.explained_index).unsqueeze(1)
        return odds, torch.ones_like(odds, dtype=torch.float64)


class Candidates(Multiclass):
    """Labels of which each example may allow some."""

    name = TaskKind.CANDIDATES.value


def log_odds(
    logits: Logits, label: int | Int64[Tensor, "batch 1"] | None = None
) -> Float[Tensor, " batch"]:
    """Log-odds of a softmax output against all others; 0 where there is no other, or not itself.

    Args:
        label: Of all texts, or of each; None: of the largest.

    Returns:
        z_c - logsumexp of the other logits, differentiable.
    """
    chosen = logits.detach().argmax(dim=-1, keepdim=True)
    if isinstance(label, Tensor):
        chosen = label
    elif label is not None:
        chosen = torch.full_like(chosen, label)
    is_allowed = logits.detach() > -torch.inf
    is_other = is_allowed.scatter(1, chosen, False)
    low = torch.finfo(logits.dtype).min
    others = logits.masked_fill(~is_other, low).logsumexp(dim=-1)
    own = logits.masked_fill(~is_allowed, 0).gather(1, chosen).squeeze(1)
    is_told = is_other.any(dim=-1) & is_allowed.gather(1, chosen).squeeze(1)
    return torch.where(is_told, own - others, torch.zeros_like(own) * own)
