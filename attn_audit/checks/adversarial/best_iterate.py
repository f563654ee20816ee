"""The best iterate of a search so far."""

import torch
from jaxtyping import Bool
from torch import Tensor

from attn_audit.checks.adversarial.loss import Step
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch
from attn_audit.distances import jensen_shannon_divergence

Better = Bool[Tensor, "variant batch"]
"""The variants that beat what is kept of their example."""


class BestIterate:
    """The feasible iterate of the largest divergence seen so far, where one beats a candidate."""

    def __init__(self, candidate: Witness) -> None:
        """Keep the candidate until something beats it.

        Args:
            candidate: One for each example.
        """
        self._candidate = candidate
        self._weights = candidate.attention.clone()
        self._jsd = candidate.jsd.float()
        self._keep = keep_some if self._jsd.device.type == "cpu" else keep_masked

    def offer(self, step: Step, feasible: Bool[Tensor, "variant batch"]) -> None:
        """Keep what is better; of several variants the first of the best.

        Args:
            step: Of the search.
            feasible: The variants whose output stays within epsilon.
        """
        self._keep(self._weights, self._jsd, step, (step.jsd > self._jsd) & feasible)

    def witness(self, audited: AuditedBatch) -> Witness:
        """Renormalised in float64, without the traces of padding."""
        weights = self._weights * audited.admissible
        total = weights.sum(dim=-1, keepdim=True)
        weights = weights / torch.where(total > 0, total, 1)
        shown = audited.explain(weights.unsqueeze(1)).squeeze(1)
        found = Witness(weights, jensen_shannon_divergence(shown, audited.explanation))
        return self._candidate.at_least(found)


def keep_some(weights: Tensor, jsd: Tensor, step: Step, better: Better) -> None:
    """Write the examples that improved, and only those: after a while they are few.

    Args:
        weights: Kept, "batch row unit"; written in place.
        jsd: Theirs; written in place.
        step: Of the search.
        better: Where it improves.
    """
    if not bool(better.any()):
        return
    examples = better.any(dim=0).nonzero()[:, 0]
    value, variant = step.jsd.masked_fill(~better, -1)[:, examples].max(dim=0)
    jsd[examples] = value
    weights[examples] = step.p[variant, :, :, examples].double()


def keep_masked(weights: Tensor, jsd: Tensor, step: Step, better: Better) -> None:
    """The same for all examples at once: a GPU need not tell which improved, and runs on.

    Args:
        weights: Kept, "batch row unit"; written in place.
        jsd: Theirs; written in place.
        step: Of the search.
        better: Where it improves.
    """
    value, variant = step.jsd.masked_fill(~better, -1).max(dim=0)
    improved = better.any(dim=0)
    chosen = step.p.gather(0, variant.expand(1, *step.p.shape[1:]))[0].permute(2, 0, 1)
    torch.where(improved, value, jsd, out=jsd)
    torch.where(improved[:, None, None], chosen.to(weights.dtype), weights, out=weights)
