"""The loss of the gradient adversary, with its gradient written by hand.

Only what needs the model, the change of the output, is differentiated by autograd, through
`replay`: a step costs one replay there and back, and a few logarithms a weight.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.replaying import output_distances
from attn_audit.distances import MAX_JSD

PENALTY = 500.0
"""Weight of an output's excess over epsilon. Source: the paper's released code."""

Weights = Float[Tensor, "batch variant row unit"]
"""The distributions that are searched with: each row sums to 1 and is nowhere exactly 0, or it is
zero throughout where there is nothing to attend to."""

Explanation = Float[Tensor, "batch variant unit"]
"""The mean of a variant's rows, weighted by their mass; nowhere exactly 0."""


@dataclass(frozen=True)
class Step:
    r"""What one step of the search needs to know of its variants, k = 1 ... K.

    The loss is

    .. math:: -\frac{1}{K} \sum_k \mathrm{JSD}(q_k, a) + \frac{500}{K} \sum_k [d_k - \epsilon]_+
        - \frac{1}{|P|} \sum_{(k, l) \in P} \mathrm{JSD}(q_k, q_l)

    over all pairs P of the variants, summed over the examples. q_k is the explanation that the
    variant's rows add up to, each row a distribution of its own; a the model's; d_k how far the
    output moves.

    Source: Jain & Wallace (2019), section 4.2.2, algorithm 3 and the released code.
    """

    jsd: Float[Tensor, "batch variant"]
    """Divergence from the model's attention, nats."""
    distance: Float64[Tensor, "batch variant"]
    """How far the output moves."""
    score_gradient: Weights
    """Gradient of the loss in the scores that p is the softmax of."""

    @staticmethod
    def of(audited: AuditedBatch, p: Weights, log_p: Weights, epsilon: float) -> "Step":
        """Evaluate the loss.

        Args:
            audited: The batch.
            p: The distributions.
            log_p: Their logarithms, finite everywhere.
            epsilon: Output distance that costs nothing.
        """
        own = audited.explanation.to(p.dtype).unsqueeze(1)
        q, log_q = _explanations(audited, p, log_p)
        distance, slope = _distance_and_slope(audited, p, epsilon)
        log_sum = (q + own).log()
        apart = (log_sum - log_q) / (2 * p.shape[1]) + _apart(q, log_q)
        pull = slope + _of_rows(audited, apart)
        # Backward through softmax; constants along the units drop out.
        score_gradient = p * (pull - (p * pull).sum(dim=-1, keepdim=True))
        return Step(_divergence(q, log_q, own, log_sum), distance, score_gradient)


def _explanations(
    audited: AuditedBatch, p: Weights, log_p: Weights
) -> tuple[Explanation, Explanation]:
    """The explanations that the rows add up to, and their logarithms."""
    if p.shape[2] == 1:
        return p.squeeze(2), log_p.squeeze(2)
    share = audited.row_share.to(p.dtype)[:, None, None, :]
    q = (share @ p).squeeze(2).clamp_min(torch.finfo(p.dtype).tiny)
    return q, q.log()


def _of_rows(
    audited: AuditedBatch, gradient: Explanation
) -> Float[Tensor, "batch variant row unit"]:
    """From a gradient in the explanation to one in the rows: each has its share of it."""
    if audited.row_share.shape[1] == 1:
        return gradient.unsqueeze(2)
    return audited.row_share.to(gradient.dtype)[:, None, :, None] * gradient.unsqueeze(2)


def _divergence(
    q: Explanation, log_q: Explanation, own: Tensor, log_sum: Explanation
) -> Float[Tensor, "batch variant"]:
    """JSD = ln 2 + (sum q ln q + sum a ln a - sum (q + a) ln(q + a)) / 2."""
    terms = q * log_q + torch.xlogy(own, own) - (q + own) * log_sum
    return MAX_JSD + terms.sum(dim=-1) / 2


def _distance_and_slope(
    audited: AuditedBatch, p: Weights, epsilon: float
) -> tuple[Float64[Tensor, "batch variant"], Weights]:
    """Output distances, and the gradient in p of the penalty on what exceeds epsilon."""
    with torch.enable_grad():
        weights = p.detach().requires_grad_()
        distance = output_distances(audited, weights)
        penalty = (distance - epsilon).clamp_min(0).sum() * (PENALTY / p.shape[1])
        (slope,) = torch.autograd.grad(penalty, weights)
    return distance.detach(), slope


def _apart(q: Explanation, log_q: Explanation) -> Explanation:
    """Gradient in q of minus the mean divergence between pairs of the explanations.

    d JSD(q, r) / d q = (ln q - ln(q + r)) / 2, up to a constant along the units.
    """
    n = q.shape[1]
    pull = torch.zeros_like(q)
    # Shifting the distributions cyclically by 1, 2, ... meets every pair once; of an even number
    # the last shift meets each pair twice.
    for shift in range(1, n // 2 + 1):
        times = 0.5 if 2 * shift == n else 1.0
        log_sum = (q + q.roll(-shift, dims=1)).log()
        both_sides = (log_sum - log_q) + (log_sum.roll(shift, dims=1) - log_q)
        pull += both_sides * (times / (n * (n - 1)))
    return pull
