"""The loss of the gradient adversary, its distances and its penalty, with gradients by hand.

Only what needs the model, the change of the output, may need autograd (`penalty`).

Written for speed: the examples are the last axis, so that sums and logarithms run along them, all
logarithms of a step are taken in one call, and the gradient is one product of them with a constant
matrix.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import hardshrink

from attn_audit.checks.base import AuditedBatch
from attn_audit.distances import MAX_JSD
from attn_audit.models.contract import LinearReadout
from attn_audit.models.task import Task

Explanations = Float[Tensor, "variant unit batch"]
"""The mean of each variant's rows, weighted by their mass; nowhere exactly 0."""


class Divergences:
    r"""The part of the loss that knows nothing of the output.

    It is

    .. math:: -\frac{1}{K} \sum_k \mathrm{JSD}(q_k, a)
        - \frac{1}{|P|} \sum_{(k, l) \in P} \mathrm{JSD}(q_k, q_l)

    over all pairs P of the K variants. Each step writes `q` and `log_q` in place.

    Source: Jain & Wallace (2019), section 4.2.2, algorithm 3.
    """

    def __init__(self, own: Float[Tensor, "unit batch"], n_variants: int) -> None:
        """Prepare for one batch.

        Args:
            own: The explanations a of the model's own attention; 0 where there is no unit.
        """
        self._own = own
        self._own_terms = torch.xlogy(own, own).sum(dim=0)
        # Shifting the variants cyclically by 1, 2, ... meets every pair once.
        self._n_shifts = n_variants // 2
        self._around = own.new_empty(n_variants + self._n_shifts, *own.shape)
        self._logs = own.new_empty((self._n_shifts + 2) * n_variants, *own.shape)
        self._scratch = torch.empty_like(self._logs[:n_variants])
        self._combination = _combination(n_variants).to(own)
        self._flat_logs, self._sums = self._logs.flatten(1), self._logs[n_variants:]
        self._of_own, *of_pairs = torch.split(self._sums, n_variants)
        others = [self._around[i : i + n_variants] for i in range(1, self._n_shifts + 1)]
        self._pairs = list(zip(others, of_pairs, strict=True))
        self.q: Explanations = self._around[:n_variants]
        self.log_q: Explanations = self._logs[:n_variants]

    def gradient(self) -> Explanations:
        """Gradient in `q`, up to a constant along the units, from `q` and `log_q`.

        d JSD(q, r) / d q = (ln q - ln(q + r)) / 2, up to such a constant.
        """
        self._around[len(self.q) :] = self.q[: self._n_shifts]
        torch.add(self.q, self._own, out=self._of_own)
        for others, sums in self._pairs:
            torch.add(self.q, others, out=sums)
        self._sums.log_()
        return (self._combination @ self._flat_logs).view_as(self.q)

    def from_own(self) -> Float[Tensor, "variant batch"]:
        """Divergence of each explanation from the model's, nats, after `gradient`.

        JSD = ln 2 + (sum q ln q + sum a ln a - sum (q + a) ln(q + a)) / 2.
        """
        terms = torch.sub(self.log_q, self._of_own, out=self._scratch).mul_(self.q)
        terms.addcmul_(self._own, self._of_own, value=-1)
        return MAX_JSD + (terms.sum(dim=1) + self._own_terms) / 2


def _combination(n_variants: int) -> Float[Tensor, "variant logarithm"]:
    """The gradient as a combination of ln q, ln(q + a) and ln(q + shifted q)."""
    n, each = n_variants, torch.eye(n_variants, dtype=torch.float64)
    parts = [-each, each]
    for shift in range(1, n // 2 + 1):
        # Of an even number the last shift meets each pair twice.
        weight = (0.5 if 2 * shift == n else 1.0) * 2 / (n - 1)
        parts[0] = parts[0] - 2 * weight * each
        parts.append(weight * (each + each.roll(shift, dims=0)))
    return torch.cat(parts, dim=1) / (2 * n)


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
        epsilon: Output distance that costs nothing.
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


Scores = Float[Tensor, "variant row unit batch"]
"""What the distributions are the softmax of."""


@dataclass(frozen=True)
class Step:
    """What one step of the search needs to know of its variants."""

    p: Weights
    """The distributions; overwritten by the next step."""
    jsd: Float[Tensor, "variant batch"]
    """Divergence of their explanations from the model's attention, nats."""
    distance: Distances
    """How far the output moves."""
    score_gradient: Scores
    """Gradient of the loss in the scores."""


class Loss:
    r"""The loss of K variants of each example's attention.

    It is

    .. math:: -\frac{1}{K} \sum_k \mathrm{JSD}(q_k, a) + \frac{500}{K} \sum_k [d_k - \epsilon]_+
        - \frac{1}{|P|} \sum_{(k, l) \in P} \mathrm{JSD}(q_k, q_l)

    over all pairs P of the variants, summed over the examples. q_k is the explanation that the
    variant's rows add up to, each row a distribution of its own; a the model's; d_k how far the
    output moves.

    Source: Jain & Wallace (2019), section 4.2.2, algorithm 3 and the released code.
    """

    def __init__(
        self, audited: AuditedBatch, n_variants: int, penalty: Penalty, dtype: torch.dtype
    ) -> None:
        """Prepare for one batch.

        Args:
            penalty: What the middle term is computed with.
        """
        self._penalty = penalty
        self._divergences = Divergences(audited.explanation.T.to(dtype).contiguous(), n_variants)
        self._share = audited.row_share.T.to(dtype).unsqueeze(1).contiguous()
        self._has_units = audited.admissible.any(dim=-1).T.unsqueeze(1)
        self._all_have_units = bool(self._has_units.all())
        if len(self._share) == 1:
            # The one row is the explanation, and the same memory serves for both.
            self._p = self._divergences.q.unsqueeze(1)
            self._log_p = self._divergences.log_q.unsqueeze(1)
        else:
            shape = (n_variants, len(self._share), *audited.explanation.T.shape)
            self._p = torch.empty(shape, dtype=dtype, device=audited.explanation.device)
            self._log_p = torch.empty_like(self._p)

    def at(self, scores: Scores) -> Step:
        """Evaluate the loss.

        Args:
            scores: Before the softmax; units that a row may not attend to have `PADDING_SCORE`.
        """
        self._weigh(scores)
        pull = self._divergences.gradient().unsqueeze(1)
        if len(self._share) > 1:
            pull = pull * self._share
        distance = self._penalty(self._p, pull)
        # Backward through softmax; constants along the units drop out.
        pull -= (self._p * pull).sum(dim=2, keepdim=True)
        return Step(self._p, self._divergences.from_own(), distance, pull.mul_(self._p))

    def _weigh(self, scores: Scores) -> None:
        """The rows and the explanations that they add up to, and the logarithms of these."""
        torch.log_softmax(scores, dim=2, out=self._log_p)
        torch.exp(self._log_p, out=self._p)
        if not self._all_have_units:
            self._p *= self._has_units
        if len(self._share) > 1:
            q, log_q = self._divergences.q, self._divergences.log_q
            torch.sum(self._p * self._share, dim=1, out=q)
            torch.log(q.clamp_min_(torch.finfo(q.dtype).tiny), out=log_q)
