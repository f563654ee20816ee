"""The gradient adversary: the paper's search, for any model that can be replayed."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from attn_audit.checks.adversarial.loss import Step
from attn_audit.checks.adversarial.mixtures import best_mixture
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch
from attn_audit.distances import jensen_shannon_divergence
from attn_audit.randomness import example_keys, normals

LEARNING_RATE = 0.01
START_SPREAD = 3.0
"""Standard deviation of the starting scores. Both: the paper's released code."""

PADDING_SCORE = -60.0
"""A score whose weight (1e-26) adds nothing to any sum: padding needs no masks."""

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

    Adam maximises, over `n_restarts` distributions together, their divergence from the model's
    attention and from each other, with a penalty where the output moves by more than epsilon. The
    best feasible iterate is kept, not the last. Distributions over one and two units and the
    model's own attention are candidates too, so the result always exists.

    Args:
        audited: A batch.
        search: Settings.

    Returns:
        The best found: a lower bound of the largest divergence there is.
    """
    with torch.no_grad():
        mixture = best_mixture(audited, search.epsilon)
    return mixture.at_least(_search(audited, search))


def _search(audited: AuditedBatch, search: Search) -> Witness:
    scores = _starts(audited, search.n_restarts)
    optimiser = torch.optim.Adam([scores], lr=LEARNING_RATE, amsgrad=True, fused=True)
    best = _BestIterate(audited)
    for _ in range(search.n_iterations):
        log_p = scores.detach().log_softmax(dim=-1)
        p = log_p.exp()
        step = Step.of(audited, p, log_p, search.epsilon)
        best.offer(p, step.jsd.masked_fill(step.distance > search.epsilon - MARGIN, -1))
        scores.grad = step.score_gradient
        optimiser.step()
    return best.witness(audited)


def _starts(audited: AuditedBatch, n_restarts: int) -> Float32[Tensor, "batch variant unit"]:
    """Log-uniform scores plus normal noise, drawn from seed, example, restart and position."""
    keys = example_keys(audited.seed, audited.ids, "adversarial")
    noise = normals(keys, n_restarts, audited.attention.shape[-1])
    lengths = np.maximum(audited.lengths, 1)[:, None, None]
    start = torch.from_numpy(START_SPREAD * noise - np.log(lengths)).float()
    start = start.to(audited.attention.device)
    start = start.masked_fill(~audited.batch.unit_mask.unsqueeze(1), PADDING_SCORE)
    return start.contiguous().requires_grad_()


class _BestIterate:
    """The feasible iterate of the largest divergence seen so far, for each example."""

    def __init__(self, audited: AuditedBatch) -> None:
        self.attention = audited.explanation.float()
        self.jsd = torch.zeros_like(audited.mass, dtype=torch.float32)

    def offer(self, p: Tensor, jsd: Tensor) -> None:
        value, variant = jsd.max(dim=1)
        better = value > self.jsd
        candidate = p[torch.arange(len(p), device=p.device), variant]
        self.attention = torch.where(better[:, None], candidate, self.attention)
        self.jsd = torch.where(better, value, self.jsd)

    def witness(self, audited: AuditedBatch) -> Witness:
        """Renormalised in float64, without the traces of padding."""
        weights = self.attention.double() * audited.batch.unit_mask
        weights = weights / weights.sum(dim=-1, keepdim=True)
        jsd = jensen_shannon_divergence(weights, audited.explanation)
        return Witness(weights.unsqueeze(1), jsd)
