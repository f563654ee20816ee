"""The gradient adversary: the paper's search and its loss, for any model that can be replayed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor
from torch.nn.functional import hardshrink
from torch.optim.adam import adam

from attn_audit.checks.adversarial.mixtures import (
    GUESS_TOLERANCE,
    SingleUnits,
    best_mixture,
    try_single_units,
)
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch, output_distances, replayed_probabilities
from attn_audit.distances import MAX_JSD, jensen_shannon_divergence
from attn_audit.measures.base import normalised
from attn_audit.models.contract import LinearReadout, coarseness
from attn_audit.models.task import Task
from attn_audit.progress import part, portions
from attn_audit.randomness import Keys, example_keys, normals

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
        """For explanations `own` of the model's attention, 0 where there is no unit."""
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
    """Through `replay`, which autograd differentiates."""
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
    """By hand, where the logits are linear in the weights of the one row."""
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
        """Evaluate the loss; of units that a row may not attend to the score is `PADDING_SCORE`."""
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


START_SPREAD = 3.0
"""Standard deviation of the starting scores. Source: the paper's released code."""

PADDING_SCORE = -60.0
"""A score whose weight (1e-26) adds nothing to any sum: padding needs no masks."""


def starting_scores(
    audited: AuditedBatch, n_restarts: int
) -> Float32[torch.Tensor, "batch variant row unit"]:
    """Log-uniform scores plus normal noise, drawn from seed, example, row, restart and position.

    Of units that a row may not attend to: `PADDING_SCORE`.
    """
    keys = example_keys(audited.seed, audited.ids, "adversarial")
    # Among its example's own rows: other texts of the batch may have more, and padding for them.
    ordinal = (audited.reading.row_mask.cumsum(dim=1) - 1).clamp_min(0).cpu().numpy()
    n_units = audited.attention.shape[-1]
    step = audited.model.capacity.in_memory(256 * n_restarts * ordinal.shape[1] * n_units)
    parts = []
    for start in range(0, len(keys), step):
        rows = slice(start, start + step)
        noise = START_SPREAD * _noise(keys[rows], ordinal[rows], n_restarts, n_units)
        lengths = np.maximum(audited.lengths[rows], 1)[:, None, None, None]
        parts.append(torch.from_numpy(noise - np.log(lengths)).float())
    scores = torch.cat(parts).to(audited.attention.device)
    return scores.masked_fill(~audited.admissible.unsqueeze(1), PADDING_SCORE).contiguous()


def _noise(
    keys: Keys, ordinal: Int64[np.ndarray, "batch row"], n_restarts: int, n_units: int
) -> Float64[np.ndarray, "batch variant row unit"]:
    n_rows = int(ordinal.max()) + 1
    drawn = normals(keys, n_rows * n_restarts, n_units)
    by_row = drawn.reshape(len(keys), n_rows, n_restarts, n_units)
    of_rows: np.ndarray = np.take_along_axis(by_row, ordinal[:, :, None, None], axis=1)
    return of_rows.swapaxes(1, 2)


N_TRIALS = 2
"""Random distributions of each example on which the readout has to hold."""


def tried_readout(audited: AuditedBatch, single: SingleUnits) -> LinearReadout | None:
    """The linear readout that gives what all attention on each single unit gives.

    It is what the model does if other distributions, over all units, give what it says; None where
    they do not, or there are several rows.
    """
    if audited.attention.shape[1] > 1 or not audited.is_unrestricted or single.logits is None:
        return None
    readout = _readout_of_single_units(audited, single.logits)
    weights = starting_scores(audited, N_TRIALS).softmax(dim=-1) * audited.admissible.unsqueeze(1)
    promised = audited.model.task.probabilities(_logits(audited, readout, weights))
    error = (replayed_probabilities(audited, weights) - promised).abs()
    return readout if bool((error <= GUESS_TOLERANCE).all()) else None  # NaN holds no promise


def _readout_of_single_units(
    audited: AuditedBatch, logits: Float64[Tensor, "batch unit label"]
) -> LinearReadout:
    units = audited.batch.unit_mask.unsqueeze(2)
    # Weights sum up to 1, so that any constant may stand for the offset; this one is among them.
    offset = logits[:, 0]
    above = torch.where(units, logits - offset.unsqueeze(1), 0)
    mass = audited.mass.clamp_min(torch.finfo(audited.mass.dtype).tiny)[:, None, None]
    dtype = audited.reading.attention.dtype
    return LinearReadout(offset.to(dtype), (above / mass).to(dtype))


def _logits(
    audited: AuditedBatch, readout: LinearReadout, weights: Float[Tensor, "batch variant row unit"]
) -> Float[Tensor, "batch variant label"]:
    pooled = weights.squeeze(2).double() @ readout.unit_logits.double()
    return readout.offset.unsqueeze(1) + audited.mass[:, None, None] * pooled


LEARNING_RATE = 0.01
"""Source: the paper's released code."""


class Adam:
    """Does what `torch.optim.Adam(lr=0.01, amsgrad=True, fused=True)` does to one tensor.

    That class looks after hooks, groups and graphs, which costs as much again as the step itself.

    Source: Kingma & Ba (2015), algorithm 1; Reddi, Kale & Kumar (2018), algorithm 2.
    """

    def __init__(self, parameter: Tensor) -> None:
        """Of a contiguous parameter, which each step changes in place."""
        self._parameters = [parameter]
        self._first, self._second, self._largest = ([torch.zeros_like(parameter)] for _ in range(3))
        self._steps = [torch.zeros((), dtype=torch.float32, device=parameter.device)]

    def step(self, gradient: Tensor) -> None:
        """One step down the gradient."""
        adam(
            self._parameters,
            [gradient.contiguous()],  # the fused step goes through all tensors alike
            self._first,
            self._second,
            self._largest,
            self._steps,
            fused=True,
            amsgrad=True,
            beta1=0.9,
            beta2=0.999,
            lr=LEARNING_RATE,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )


class BestIterate:
    """The feasible iterate of the largest divergence seen so far, where one beats a candidate."""

    def __init__(self, candidate: Witness) -> None:
        self._candidate = candidate
        self.weights = candidate.attention.clone()
        self.jsd = candidate.jsd.float()
        self.writes_all = self.jsd.device.type != "cpu"
        """Whether all examples are written at each step, so that a GPU need not tell which improved
        and runs on; else those alone, which after a while are few."""

    def offer(self, step: Step, feasible: Bool[Tensor, "variant batch"]) -> None:
        """Keep what is better; of several variants the first of the best."""
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
