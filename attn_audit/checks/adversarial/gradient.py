"""The gradient adversary: the paper's search, for any model that can be replayed."""

from dataclasses import dataclass

import torch

from attn_audit.checks.adversarial.adam import Adam
from attn_audit.checks.adversarial.best_iterate import BestIterate
from attn_audit.checks.adversarial.loss import Loss
from attn_audit.checks.adversarial.mixtures import best_mixture
from attn_audit.checks.adversarial.penalty import Penalty, linear_penalty, replayed_penalty
from attn_audit.checks.adversarial.single_units import try_single_units
from attn_audit.checks.adversarial.starts import starting_scores
from attn_audit.checks.adversarial.tried_readout import tried_readout
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.replaying import output_distances
from attn_audit.models.base import LinearReadout
from attn_audit.models.precision import coarseness
from attn_audit.progress import part, portions

MARGIN = 1e-6
"""Iterates count as feasible this far inside epsilon: rounding must not push them out again.

Of float32, which the search itself computes in; coarser models need more, up to half of epsilon.
"""

OF_MIXTURES, OF_READOUT = 0.2, 0.95
"""About how much of the time the trial of mixtures takes, and of the rest a search that needs no
replays: it is seldom made again with them. Nothing but the progress depends on it."""


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


@torch.no_grad()
def gradient_adversary(
    audited: AuditedBatch, search: Search, readout: LinearReadout | None = None
) -> Witness:
    """Search for attention far from the model's own whose output stays within epsilon.

    Adam maximises, over `n_restarts` variants together, the divergence of their explanations from
    the model's and from each other, with a penalty where the output moves by more than epsilon.
    Every row of a variant (each head) has a distribution of its own. The best feasible iterate is
    kept, not the last. Distributions over one and two units and the model's own attention are
    candidates too, so the result always exists.

    Args:
        audited: A batch.
        search: Settings.
        readout: Spares the search its replays, where it is what the model does; what is found is
            replayed all the same. Where none is known, one is looked for.

    Returns:
        The best found: a lower bound of the largest divergence there is.
    """
    n_replays = search.n_iterations * search.n_restarts
    with part(OF_MIXTURES):
        single = try_single_units(audited)
        mixture = best_mixture(audited, single, search.epsilon, n_replays)
    readout = readout or tried_readout(audited, single)
    if readout is not None:
        penalty = linear_penalty(audited, search.epsilon, readout)
        with part(OF_READOUT):
            found = _search(audited, search, penalty, mixture)
        if bool((output_distances(audited, found.attention.unsqueeze(1)) <= search.epsilon).all()):
            return found
    return _search(audited, search, replayed_penalty(audited, search.epsilon), mixture)


def _search(audited: AuditedBatch, search: Search, penalty: Penalty, candidate: Witness) -> Witness:
    """The better of a candidate and the best feasible iterate."""
    scores = starting_scores(audited, search.n_restarts).permute(1, 2, 3, 0).contiguous()
    loss = Loss(audited, search.n_restarts, penalty, scores.dtype)
    adam = Adam(scores)
    best = BestIterate(candidate)
    margin = min(MARGIN * max(1.0, coarseness(audited.model.dtype)), search.epsilon / 2)
    for _ in portions(range(search.n_iterations)):
        step = loss.at(scores)
        best.offer(step, step.distance <= search.epsilon - margin)
        adam.step(step.score_gradient)
    return best.witness(audited)
