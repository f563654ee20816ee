"""The gradient adversary: the paper's search, for any model that can be replayed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from attn_audit.checks.adversarial.loss import Step
from attn_audit.checks.adversarial.mixtures import best_mixture
from attn_audit.checks.adversarial.starts import starting_scores
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch
from attn_audit.distances import jensen_shannon_divergence

LEARNING_RATE = 0.01
"""Source: the paper's released code."""

MARGIN = 1e-6
"""Iterates count as feasible this far inside epsilon: rounding must not push them out again."""


@dataclass(frozen=True)
class Search:
    """Settings of the search.

    Source: Jain & Wallace (2019), section 4.2.2, algorithm 3 and the released code.
    """

    epsilon: float
    """Largest output distance of an adversary."""
    n_iterations: int = 500
    n_restarts: int = 5
    """Distributions that are searched for together, pushed apart from each other."""


def gradient_adversary(audited: AuditedBatch, search: Search) -> Witness:
    """Search for attention far from the model's own whose output stays within epsilon.

    Adam maximises, over `n_restarts` variants together, the divergence of their explanations from
    the model's and from each other, with a penalty where the output moves by more than epsilon.
    Every row of a variant (each head) has a distribution of its own. The best feasible iterate is
    kept, not the last. Distributions over one and two units and the model's own attention are
    candidates too, so the result always exists.

    Args:
        audited: A batch.
        search: Settings.

    Returns:
        The best found: a lower bound of the largest divergence there is.
    """
    with torch.no_grad():
        n_replays = search.n_iterations * search.n_restarts
        mixture = best_mixture(audited, search.epsilon, n_replays)
    return mixture.at_least(_search(audited, search))


def _search(audited: AuditedBatch, search: Search) -> Witness:
    scores = starting_scores(audited, search.n_restarts).requires_grad_()
    optimiser = torch.optim.Adam([scores], lr=LEARNING_RATE, amsgrad=True, fused=True)
    has_units = audited.admissible.any(dim=-1)[:, None, :, None]
    all_have_units = bool(has_units.all())
    best = _BestIterate(audited)
    for _ in range(search.n_iterations):
        log_p = scores.detach().log_softmax(dim=-1)
        p = log_p.exp() if all_have_units else log_p.exp() * has_units
        step = Step.of(audited, p, log_p, search.epsilon)
        best.offer(p, step.jsd.masked_fill(step.distance > search.epsilon - MARGIN, -1))
        scores.grad = step.score_gradient
        optimiser.step()
    return best.witness(audited)


class _BestIterate:
    """The feasible iterate of the largest divergence seen so far, for each example."""

    def __init__(self, audited: AuditedBatch) -> None:
        self.attention = audited.attention.float()
        self.jsd = torch.zeros_like(audited.mass, dtype=torch.float32)

    def offer(self, p: Tensor, jsd: Tensor) -> None:
        value, variant = jsd.max(dim=1)
        better = value > self.jsd
        candidate = p[torch.arange(len(p), device=p.device), variant]
        self.attention = torch.where(better[:, None, None], candidate, self.attention)
        self.jsd = torch.where(better, value, self.jsd)

    def witness(self, audited: AuditedBatch) -> Witness:
        """Renormalised in float64, without the traces of padding."""
        weights = self.attention.double() * audited.admissible
        total = weights.sum(dim=-1, keepdim=True)
        weights = weights / torch.where(total > 0, total, 1)
        shown = audited.explain(weights.unsqueeze(1)).squeeze(1)
        return Witness(weights, jensen_shannon_divergence(shown, audited.explanation))
