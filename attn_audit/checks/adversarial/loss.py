"""The loss of the gradient adversary, with its gradient written by hand.

Only what needs the model, the change of the output, is differentiated by autograd, through
`replay`: a step costs one replay there and back, and a few logarithms a weight.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.checks.adversarial.replaying import output_distances
from attn_audit.checks.base import AuditedBatch
from attn_audit.distances import MAX_JSD

PENALTY = 500.0
"""Weight of an output's excess over epsilon. Source: the paper's released code."""

Weights = Float[Tensor, "batch variant unit"]
"""The distributions that are searched with: each sums to 1, and none is exactly 0 anywhere."""


@dataclass(frozen=True)
class Step:
    r"""What one step of the search needs to know of its distributions p_k.

    The loss is

    .. math:: -\frac{1}{K} \sum_k \mathrm{JSD}(p_k, a) + \frac{500}{K} \sum_k [d_k - \epsilon]_+
        - \frac{1}{|P|} \sum_{(k, l) \in P} \mathrm{JSD}(p_k, p_l)

    over all pairs P of the K distributions, summed over the examples.

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
            log_p: Their logarithms.
            epsilon: Output distance that costs nothing.
        """
        own = audited.explanation.to(p.dtype).unsqueeze(1)
        distance, slope = _distance_and_slope(audited, p, epsilon)
        log_sum = (p + own).log()
        pull = slope + (log_sum - log_p) / (2 * p.shape[1]) + _apart(p, log_p)
        # Backward through softmax; constants along the units drop out.
        score_gradient = p * (pull - (p * pull).sum(dim=-1, keepdim=True))
        return Step(_divergence(p, log_p, own, log_sum), distance, score_gradient)


def _divergence(
    p: Weights, log_p: Weights, own: Tensor, log_sum: Weights
) -> Float[Tensor, "batch variant"]:
    """JSD = ln 2 + (sum p ln p + sum a ln a - sum (p + a) ln(p + a)) / 2."""
    terms = p * log_p + torch.xlogy(own, own) - (p + own) * log_sum
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


def _apart(p: Weights, log_p: Weights) -> Weights:
    """Gradient in p of minus the mean divergence between pairs of the distributions.

    d JSD(p, q) / d p = (ln p - ln(p + q)) / 2, up to a constant along the units.
    """
    n = p.shape[1]
    pull = torch.zeros_like(p)
    # Shifting the distributions cyclically by 1, 2, ... meets every pair once; of an even number
    # the last shift meets each pair twice.
    for shift in range(1, n // 2 + 1):
        times = 0.5 if 2 * shift == n else 1.0
        log_sum = (p + p.roll(-shift, dims=1)).log()
        both_sides = (log_sum - log_p) + (log_sum.roll(shift, dims=1) - log_p)
        pull += both_sides * (times / (n * (n - 1)))
    return pull
