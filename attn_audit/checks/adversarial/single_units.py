"""All attention on one unit, for each unit in turn."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn import functional as F

from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.replaying import in_every_row
from attn_audit.distances import MAX_JSD, jensen_shannon_divergence, pair_term
from attn_audit.progress import portions


@dataclass(frozen=True)
class SingleUnits:
    """What each unit does when every row attends to it alone, as far as it may."""

    logits: Float64[Tensor, "batch unit label"]
    probabilities: Float64[Tensor, "batch unit label"]
    jsd: Float64[Tensor, "batch unit"]
    """Divergence of the explanation from the model's own, nats."""

    def best(self, audited: AuditedBatch, epsilon: float) -> Witness:
        """The best of them whose output stays within epsilon, ties to the first unit.

        Args:
            audited: The batch that was tried.
            epsilon: Largest output distance.

        Returns:
            The model's own attention where there is none.
        """
        distance = audited.model.task.distance(
            self.probabilities, audited.probabilities.unsqueeze(1)
        )
        feasible = (distance <= epsilon) & audited.batch.unit_mask
        jsd, unit = self.jsd.masked_fill(~feasible, 0).max(dim=1)
        one_hot = F.one_hot(unit, self.jsd.shape[1]).double()
        found = Witness(in_every_row(audited, one_hot.unsqueeze(1)).squeeze(1), jsd)
        return found.where(jsd > 0, own_attention(audited))


def try_single_units(audited: AuditedBatch) -> SingleUnits:
    """Put all attention on each unit in turn.

    Args:
        audited: A batch.
    """
    n_units = audited.attention.shape[-1]
    every = torch.arange(n_units, device=audited.attention.device)
    logits, divergences = [], []
    for some in portions(torch.split(every, audited.in_cache(n_bytes=32))):
        one_hots = F.one_hot(some, n_units).to(torch.float64)
        rows = in_every_row(audited, one_hots.expand(len(audited.batch), -1, -1))
        logits.append(audited.reading.replay(rows.to(audited.reading.attention.dtype)))
        if not audited.is_unrestricted:
            own = audited.explanation.unsqueeze(1)
            divergences.append(jensen_shannon_divergence(audited.explain(rows), own))
    if audited.is_unrestricted:
        a = audited.explanation
        jsd = MAX_JSD + pair_term(a, torch.ones_like(a)) / 2
    else:
        jsd = torch.cat(divergences, dim=1)
    every_logit = torch.cat(logits, dim=1).double()
    return SingleUnits(every_logit, audited.model.task.probabilities(every_logit), jsd)


def own_attention(audited: AuditedBatch) -> Witness:
    """The model's own attention: what is always within epsilon."""
    return Witness(audited.attention, torch.zeros_like(audited.mass))
