"""The gradient adversary: the paper's search, for any model that can be replayed."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor
from torch.optim.adam import adam

from attn_audit.checks.adversarial.loss import Loss, Penalty, Step, linear_penalty, replayed_penalty
from attn_audit.checks.adversarial.mixtures import (
    GUESS_TOLERANCE,
    SingleUnits,
    best_mixture,
    try_single_units,
)
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch, output_distances, replayed_probabilities
from attn_audit.distances import jensen_shannon_divergence
from attn_audit.measures.base import normalised
from attn_audit.models.contract import LinearReadout, coarseness
from attn_audit.progress import part, portions
from attn_audit.randomness import Keys, example_keys, normals

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

    Returns:
        One distribution for each row, before the softmax; units that a row may not attend to have
        `PADDING_SCORE`.
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

    It is what the model does if other distributions, over all units, give what it says.

    Args:
        single: What each of its units does alone.

    Returns:
        None where the readout is not linear in the weights of a single row.
    """
    if audited.attention.shape[1] > 1 or not audited.is_unrestricted:
        return None
    readout = _readout_of_single_units(audited, single)
    weights = starting_scores(audited, N_TRIALS).softmax(dim=-1) * audited.admissible.unsqueeze(1)
    promised = audited.model.task.probabilities(_logits(audited, readout, weights))
    error = (replayed_probabilities(audited, weights) - promised).abs()
    return readout if bool((error <= GUESS_TOLERANCE).all()) else None  # NaN holds no promise


def _readout_of_single_units(audited: AuditedBatch, single: SingleUnits) -> LinearReadout:
    logits = single.logits
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
        """Start.

        Args:
            parameter: Contiguous; changed in place by each step.
        """
        self._parameters = [parameter]
        self._first, self._second, self._largest = ([torch.zeros_like(parameter)] for _ in range(3))
        self._steps = [torch.zeros((), dtype=torch.float32, device=parameter.device)]

    def step(self, gradient: Tensor) -> None:
        """One step down the gradient.

        Args:
            gradient: Of what is to become small, in the parameter.
        """
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
        """Keep the candidate until something beats it."""
        self._candidate = candidate
        self.weights = candidate.attention.clone()
        self.jsd = candidate.jsd.float()
        self.writes_all = self.jsd.device.type != "cpu"
        """Whether all examples are written at each step, so that a GPU need not tell which improved
        and runs on; else those alone, which after a while are few."""

    def offer(self, step: Step, feasible: Bool[Tensor, "variant batch"]) -> None:
        """Keep what is better; of several variants the first of the best.

        Args:
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
