"""What the search pays for moving the output, and the gradient of it."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import hardshrink

from attn_audit.checks.base import AuditedBatch
from attn_audit.models.base import LinearReadout
from attn_audit.models.task import Task

PENALTY = 500.0
"""Weight of an output's excess over epsilon. Source: the paper's released code."""

Weights = Float[Tensor, "variant row unit batch"]
"""The distributions that are searched with: each row sums to 1 and is nowhere exactly 0, or it is
zero throughout where there is nothing to attend to."""

Distances = Float64[Tensor, "variant batch"]

Penalty = Callable[[Weights, Weights], Distances]
r"""How far the output moves under the first argument; to the second is added the gradient of

.. math:: \frac{500}{K} \sum_k [d_k - \epsilon]_+ .
"""


def replayed_penalty(audited: AuditedBatch, epsilon: float) -> Penalty:
    """Through `replay`, which autograd differentiates.

    Args:
        audited: A batch.
        epsilon: Output distance that costs nothing.
    """
    dtype = audited.reading.attention.dtype

    def penalise(p: Weights, pull: Weights) -> Distances:
        # No copy: replays that need another layout make their own, others are faster without.
        weights = p.permute(3, 0, 1, 2).to(dtype).detach().requires_grad_()
        with torch.enable_grad():
            logits = audited.reading.replay(weights)
        distance, slope = _distance_and_slope(audited, logits.detach().transpose(0, 1), epsilon)
        back = slope.transpose(0, 1).to(dtype)
        (slope_in_p,) = torch.autograd.grad(logits, weights, back)
        pull += slope_in_p.permute(1, 2, 3, 0)
        return distance

    return penalise


def linear_penalty(audited: AuditedBatch, epsilon: float, readout: LinearReadout) -> Penalty:
    """By hand, where the logits are linear in the weights of the one row.

    Args:
        audited: A batch.
        epsilon: Output distance that costs nothing.
        readout: Of the batch.
    """
    by_unit = audited.mass[:, None, None] * readout.unit_logits.double()
    by_label = by_unit.permute(2, 1, 0).to(readout.unit_logits.dtype).contiguous().unbind()

    def penalise(p: Weights, pull: Weights) -> Distances:
        p, pull = p.squeeze(1), pull.squeeze(1)
        pooled = torch.stack([(p * units).sum(dim=1) for units in by_label], dim=-1)
        distance, slope = _distance_and_slope(audited, pooled.add_(readout.offset), epsilon)
        for units, of_label in zip(by_label, slope.to(p.dtype).unbind(dim=-1), strict=True):
            pull.addcmul_(of_label.unsqueeze(1), units)
        return distance

    return penalise


def _distance_and_slope(
    audited: AuditedBatch, logits: Float[Tensor, "variant batch label"], epsilon: float
) -> tuple[Distances, Float64[Tensor, "variant batch label"]]:
    """Output distances, and the gradient in the logits of the penalty on what exceeds epsilon."""
    task = audited.model.task
    moved = task.probabilities(logits)
    gap = moved - audited.probabilities
    if gap.shape[-1] == 1:
        distance = gap[..., 0].abs()
        # The sign of what exceeds epsilon, 0 within.
        side = hardshrink(gap, epsilon).sign_()
        slope = torch.addcmul(moved, moved, moved, value=-1).mul_(side)
    else:
        distance = task.distance(gap, torch.zeros_like(gap))
        costs = (distance > epsilon).to(gap.dtype)
        slope = _back_through_link(task, moved, gap.sign_()).mul_(costs.unsqueeze(-1))
    return distance, slope.mul_(PENALTY / len(logits))


def _back_through_link(task: Task, p: Tensor, side: Tensor) -> Tensor:
    """From the sign of each probability's change to the distance's gradient in the logits."""
    if task.is_softmax:
        return p * (side - (p * side).sum(dim=-1, keepdim=True)) / 2
    return p * (1 - p) * side / p.shape[-1]
