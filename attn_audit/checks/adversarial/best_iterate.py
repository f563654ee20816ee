"""The best iterate of a search so far."""

import torch
from jaxtyping import Bool
from torch import Tensor

from attn_audit.checks.adversarial.loss import Step
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch, normalised
from attn_audit.distances import jensen_shannon_divergence


class BestIterate:
    """The feasible iterate of the largest divergence seen so far, where one beats a candidate."""

    def __init__(self, candidate: Witness) -> None:
        """Keep the candidate until something beats it.

        Args:
            candidate: One for each example.
        """
        self._candidate = candidate
        self.weights = candidate.attention.clone()
        self.jsd = candidate.jsd.float()
        self.writes_all = self.jsd.device.type != "cpu"
        """Whether all examples are written at each step, so that a GPU need not tell which improved
        and runs on; else those alone, which after a while are few."""

    def offer(self, step: Step, feasible: Bool[Tensor, "variant batch"]) -> None:
        """Keep what is better; of several variants the first of the best.

        Args:
            step: Of the search.
            feasible: The variants whose output stays within epsilon.
        """
        better = (step.jsd > self.jsd) & feasible
        if not self.writes_all and not bool(better.any()):
            return
        improved = better.any(dim=0)
        value, variant = step.jsd.masked_fill(~better, -1).max(dim=0)
        if self.writes_all:
            chosen = step.p.gather(0, variant.expand(1, *step.p.shape[1:]))[0].permute(2, 0, 1)
            self.jsd = torch.where(improved, value, self.jsd)
            self.weights = torch.where(improved[:, None, None], chosen.double(), self.weights)
        else:
            examples = improved.nonzero()[:, 0]
            self.jsd[examples] = value[examples]
            self.weights[examples] = step.p[variant[examples], :, :, examples].double()

    def witness(self, audited: AuditedBatch) -> Witness:
        """Renormalised in float64, without the traces of padding."""
        weights = normalised(self.weights * audited.admissible)
        shown = audited.explain(weights.unsqueeze(1)).squeeze(1)
        found = Witness(weights, jensen_shannon_divergence(shown, audited.explanation))
        return self._candidate.at_least(found)
