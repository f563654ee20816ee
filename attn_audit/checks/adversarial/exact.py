"""The exact adversary: the global optimum over all attention with one linear constraint.

It gives weight to one unit or to two. Units that no best pair can hold are pruned, the pairs of
the others are enumerated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch
from attn_audit.distances import MAX_JSD, UnitMask
from attn_audit.models.capacity import CACHE
from attn_audit.models.contract import LinearReadout

ROUNDING = 1e-12
"""Far more than rounding changes a divergence; divergences closer than this may be ties."""

Units = Bool[np.ndarray, "case unit"]
"""Some units of each case."""


class BestDistributions(NamedTuple):
    """The best distribution of each case: weight on one unit, or on two; -inf where none is."""

    jsd: Float64[np.ndarray, " case"]
    first: Int64[np.ndarray, " case"]
    second: Int64[np.ndarray, " case"]
    weight: Float64[np.ndarray, " case"]
    """Of the second unit; the first has the rest."""

    def at_least(self, other: "BestDistributions") -> "BestDistributions":
        """The better of two for each case; ties stay with this one."""
        better = other.jsd > self.jsd
        return BestDistributions(
            *(np.where(better, o, own) for own, o in zip(self, other, strict=True))
        )

    def split(self, n: int) -> list["BestDistributions"]:
        """The cases in n parts of the same size."""
        return [
            BestDistributions(*part) for part in zip(*(np.split(c, n) for c in self), strict=True)
        ]


@dataclass(frozen=True)
class _Block:
    """Pairs of a unit below the bound and one above, by case, then unit below, then unit above."""

    case: Int64[np.ndarray, " pair"]
    low: Int64[np.ndarray, " pair"]
    high: Int64[np.ndarray, " pair"]
    weight: Float64[np.ndarray, " pair"]
    """Of the unit above."""
    jsd: Float64[np.ndarray, " pair"]


@dataclass(frozen=True)
class Pairs:
    """All there is to know about the pairs of each case: a text and a bound."""

    attention: Float64[np.ndarray, "case unit"]
    unit_logits: Float64[np.ndarray, "case unit"]
    bound: Float64[np.ndarray, " case"]
    """The sum of weights times unit logits that a pair must have; infinite: there are no pairs."""
    unit_mask: Bool[np.ndarray, "case unit"]

    def best(self, floor: Float64[np.ndarray, " case"]) -> BestDistributions:
        """The first pair of the largest divergence, if that may exceed `floor`, reached otherwise.

        Only running minima are paired; then, because others may tie with the best of these but for
        rounding and come first, all pairs with a unit above that reaches as far.
        """
        bound = np.where(np.isfinite(self.bound), self.bound, np.nan)[:, None]
        below = (self.unit_logits < bound) & self.unit_mask
        above = (self.unit_logits > bound) & self.unit_mask
        reached, leading = self._best_of_minima(below, above)
        leading &= (reached > floor - ROUNDING)[:, None]
        partners = np.zeros_like(above)
        for block in self._blocks(leading, above):
            near = block.jsd >= reached[block.case] - ROUNDING
            partners[block.case[near], block.high[near]] = True
        return self._first_best(below, partners)

    def _best_of_minima(
        self, below: Units, above: Units
    ) -> tuple[Float64[np.ndarray, " case"], Units]:
        """The largest divergence of each case, and the units below the bound that reach it."""
        order = np.argsort(np.where(self.unit_mask, self.unit_logits, np.inf), axis=1)
        low = running_minima(self.attention, order, below)
        high = running_minima(self.attention, order, above)
        reached = np.full(self.attention.shape, -np.inf)
        for block in self._blocks(low, high):
            starts = _starts(block.case * self.attention.shape[1] + block.low)
            jsd = np.maximum.reduceat(block.jsd, starts)
            reached[block.case[starts], block.low[starts]] = jsd
        best = reached.max(axis=1)
        return best, low & (reached >= best[:, None] - ROUNDING)

    def _first_best(self, below: Units, above: Units) -> BestDistributions:
        n_cases = len(self.bound)
        jsd, weight = np.full(n_cases, -np.inf), np.zeros(n_cases)
        first, second = np.zeros(n_cases, dtype=np.int64), np.zeros(n_cases, dtype=np.int64)
        for block in self._blocks(below, above):
            starts = _starts(block.case)
            largest = np.maximum.reduceat(block.jsd, starts)
            lengths = np.diff(starts, append=len(block.case))
            hits = np.flatnonzero(block.jsd == largest.repeat(lengths))
            hits = hits[_starts(block.case[hits])]
            hits = hits[largest > jsd[block.case[hits]]]
            case = block.case[hits]
            jsd[case], weight[case] = block.jsd[hits], block.weight[hits]
            first[case], second[case] = block.low[hits], block.high[hits]
        return BestDistributions(jsd, first, second, weight)

    def _blocks(self, below: Units, above: Units) -> Iterator[_Block]:
        """All pairs of the units, in blocks of whole rows: one unit below with all above."""
        n_above = above.sum(axis=1)
        case, low = np.nonzero(below & (n_above > 0)[:, None])
        high = np.nonzero(above)[1]
        first = n_above.cumsum() - n_above
        lengths = n_above[case]
        for rows in _portions(lengths, max(1, CACHE // 512)):
            n, of = lengths[rows], case[rows]
            column = np.arange(n.sum()) + (first[of] - n.cumsum() + n).repeat(n)
            yield self._block(of.repeat(n), low[rows].repeat(n), high[column])

    def _block(self, case: np.ndarray, low: np.ndarray, high: np.ndarray) -> _Block:
        offset = case * self.attention.shape[1]
        v_low, v_high = (self.unit_logits.take(offset + unit) for unit in (low, high))
        a_low, a_high = (self.attention.take(offset + unit) for unit in (low, high))
        weight = ((self.bound[case] - v_low) / (v_high - v_low)).clip(0, 1)
        terms = pair_term(a_low, 1 - weight) + pair_term(a_high, weight)
        return _Block(case, low, high, weight, MAX_JSD + terms / 2)


def pair_term(
    a: Float64[np.ndarray, "*case"], w: Float64[np.ndarray, "*case"]
) -> Float64[np.ndarray, "*case"]:
    """`distances.pair_term` of arrays: the same arguments give the same bits, so that pairs tie."""
    term: np.ndarray = _x_log_x(a) + _x_log_x(w) - _x_log_x(a + w)
    return term


def _x_log_x(x: np.ndarray) -> np.ndarray:
    product: np.ndarray = x * np.log(np.maximum(x, np.finfo(np.float64).tiny))
    return product


def _starts(ids: Int64[np.ndarray, " pair"]) -> Int64[np.ndarray, " run"]:
    """Where each run of equal numbers begins."""
    return np.flatnonzero(np.diff(ids, prepend=-1))


def _portions(lengths: Int64[np.ndarray, " row"], n_pairs: int) -> Iterator[slice]:
    """Rows in portions of at most so many pairs, or of one row."""
    ends = lengths.cumsum()
    start = 0
    while start < len(ends):
        room = ends[start] - lengths[start] + n_pairs
        stop = max(start + 1, int(np.searchsorted(ends, room, side="right")))
        yield slice(start, stop)
        start = stop


def exact_adversary(
    attention: Float64[Tensor, "batch unit"],
    unit_logits: Float64[Tensor, "batch unit"],
    interval: Float64[Tensor, "batch 2"],
    unit_mask: UnitMask,
) -> Witness:
    """Find the attention farthest from `attention` whose logit stays within `interval`.

    Distance is the Jensen-Shannon divergence, convex in the adversary, so its maximum over the
    polytope {a' >= 0, sum a' = 1, lo <= sum a' v <= hi} lies at a vertex, and a vertex gives weight
    to one unit, or to two mixed so that the sum is exactly lo or hi. Of these all that can be the
    best are tried: the answer is the global optimum, not the best of a search. Ties go to one unit
    before two, to lo before hi, and to the lowest index: of the unit below the bound, then above.

    Args:
        attention: The model's weights; rows sum to 1, padding is 0.
        unit_logits: v: what the logit would be with all attention on that unit.
        interval: lo and hi; infinite where the output cannot leave epsilon. The model's own
            attention must lie within.
        unit_mask: True where there is a unit.

    Returns:
        The optimum with one row of weights. Where the interval is so narrow that rounding leaves
        nothing in it, the model's own attention at divergence 0.

    Source:
        The problem: Jain & Wallace (2019), section 4.2.2. The vertex argument: this project.
    """
    a, v, bounds, mask = (
        tensor.cpu().numpy() for tensor in (attention, unit_logits, interval, unit_mask)
    )
    best = _single_units(a, v, bounds, mask)
    # Both sides at once: short texts cost calls rather than pairs.
    twice = [np.concatenate([array, array]) for array in (a, v, mask, best.jsd)]
    pairs = Pairs(twice[0], twice[1], bounds.T.ravel(), twice[2]).best(floor=twice[3])
    for side in pairs.split(2):
        best = best.at_least(side)
    return _witness(attention, best)


def _single_units(
    a: np.ndarray, v: np.ndarray, bounds: np.ndarray, mask: np.ndarray
) -> BestDistributions:
    """All attention on one unit, where that keeps the logit within the interval."""
    inside = (v >= bounds[:, :1]) & (v <= bounds[:, 1:]) & mask
    jsd = np.where(inside, MAX_JSD + pair_term(a, np.ones_like(a)) / 2, -np.inf)
    unit = jsd.argmax(axis=1)
    return BestDistributions(jsd.max(axis=1), unit, unit, np.ones(len(a)))


def _witness(attention: Float64[Tensor, "batch unit"], best: BestDistributions) -> Witness:
    row, found = np.arange(len(attention)), np.isfinite(best.jsd)
    weights = np.zeros(attention.shape)
    weights[row, best.first] = 1 - best.weight
    weights[row, best.second] += best.weight
    jsd = np.where(found, best.jsd, 0).clip(0, MAX_JSD)
    is_found, of_found, divergence = (
        torch.from_numpy(array).to(attention.device) for array in (found, weights, jsd)
    )
    of_found = torch.where(is_found[:, None], of_found, attention)
    return Witness(of_found.unsqueeze(1), divergence)


def running_minima(
    attention: Float64[np.ndarray, "case unit"],
    order: Int64[np.ndarray, "case unit"],
    candidates: Bool[np.ndarray, "case unit"],
) -> Bool[np.ndarray, "case unit"]:
    """Mark the candidates with less attention than all before them, or than all behind them.

    Of units on one side of a bound c, mixed with a fixed unit i of the other side, let j have one
    nearer to c and one farther out, neither with more attention. The divergence is convex in the
    mixing weight and falls with a unit's own attention, so on one of the two it is at least as
    large as on j: j is never needed. What is left are the running minima seen from either end.

    Args:
        order: Units in ascending order of their logit.
        candidates: The units of one side, which are consecutive in that order.

    Returns:
        A largest divergence among the pairs of marked units of the two sides is one among all.

    Source:
        This project.

    Example:
        >>> attention = np.array([[0.1, 0.3, 0.2, 0.4]])
        >>> running_minima(attention, np.arange(4)[None], np.ones((1, 4), dtype=bool))
        array([[ True, False,  True,  True]])
    """
    ascending = np.take_along_axis(np.where(candidates, attention, np.inf), order, axis=1)
    before = np.minimum.accumulate(ascending, axis=1)[:, :-2]
    behind = np.minimum.accumulate(ascending[:, ::-1], axis=1)[:, ::-1][:, 2:]
    inner = ascending[:, 1:-1]
    is_minimum = np.ones(ascending.shape, dtype=bool)
    is_minimum[:, 1:-1] = (inner < before) | (inner < behind)
    marked = np.empty_like(is_minimum)
    np.put_along_axis(marked, order, is_minimum, axis=1)
    marked &= candidates
    return marked


def is_exact(audited: AuditedBatch) -> bool:
    """Whether epsilon is one linear constraint: linear readout, and one sigmoid or two classes."""
    return audited.reading.linear_readout is not None and audited.model.task.is_one_number


def own_interval(
    audited: AuditedBatch, epsilon: float
) -> tuple[Float64[Tensor, "batch unit"], Float64[Tensor, "batch 2"]]:
    """Unit logits and the interval that sum_u a'_u v_u must stay in, where `is_exact`.

    z = b + m sum_u a'_u v_u is the log-odds of the second label, and |sigmoid(z) - y| <= epsilon
    bounds it from both sides; a side is infinite where the probability cannot go that far.
    """
    offset, unit_logits = _odds_of_second(audited)
    second = audited.probabilities[:, -1]
    bounds = _logit(torch.stack([second - epsilon, second + epsilon], dim=1))
    return unit_logits, _to_units(bounds, offset, audited.mass)


def upper_bound(
    audited: AuditedBatch, epsilon: float, readout: LinearReadout
) -> Float64[Tensor, " batch"]:
    """A divergence that no attention within epsilon can exceed, nats; for any number of labels.

    Being within epsilon puts the log-ratio of any two softmax outputs, and each sigmoid's logit,
    into an interval that is linear in attention. The exact optimum under one of these
    conditions alone bounds the optimum under all; the least of these bounds is returned.

    Returns:
        One bound for each example.

    Source:
        This project: the vertex argument of `exact_adversary`, applied to each condition.
    """
    bound = torch.full_like(audited.mass, torch.inf)
    for unit_logits, interval in _conditions(audited, epsilon, readout):
        witness = exact_adversary(
            audited.explanation, unit_logits, interval, audited.admissible[:, 0]
        )
        bound = torch.minimum(bound, witness.jsd)
    return bound


def _conditions(
    audited: AuditedBatch, epsilon: float, readout: LinearReadout
) -> Iterator[tuple[Tensor, Tensor]]:
    """Unit logits and interval of single conditions that epsilon implies."""
    offset, units = readout.offset.double(), readout.unit_logits.double()
    p = audited.probabilities
    n_labels = p.shape[1]
    if not audited.model.task.is_softmax:
        # The mean over L labels is within epsilon, so one label may move by L * epsilon.
        for label in range(n_labels):
            reach = n_labels * epsilon
            bounds = _logit(torch.stack([p[:, label] - reach, p[:, label] + reach], dim=1))
            yield units[..., label], _to_units(bounds, offset[:, label], audited.mass)
        return
    # Any of the pairs gives a valid bound; those with the predicted label are the tightest.
    top = p.argmax(dim=1, keepdim=True)
    rest = p.argsort(dim=1, descending=True, stable=True)
    for rank in range(1, n_labels):
        pair = torch.cat([top, rest[:, rank : rank + 1]], dim=1)
        p_i, p_j = p.gather(1, pair).unbind(dim=1)
        low = _log_ratio(p_i - epsilon, p_j + epsilon)
        high = -_log_ratio(p_j - epsilon, p_i + epsilon)
        b_i, b_j = offset.gather(1, pair).unbind(dim=1)
        v_i, v_j = units.gather(2, pair.unsqueeze(1).expand(-1, units.shape[1], -1)).unbind(dim=2)
        yield v_i - v_j, _to_units(torch.stack([low, high], dim=1), b_i - b_j, audited.mass)


def _odds_of_second(audited: AuditedBatch) -> tuple[Tensor, Tensor]:
    readout = audited.reading.linear_readout
    assert readout is not None, "only called where the readout is linear"
    offset, units = readout.offset.double(), readout.unit_logits.double()
    if offset.shape[1] == 1:
        return offset[:, 0], units[..., 0]
    return offset[:, 1] - offset[:, 0], units[..., 1] - units[..., 0]


def _logit(probability: Tensor) -> Tensor:
    """Log-odds; infinite at and beyond 0 and 1, where there is no bound."""
    return torch.logit(probability.clamp(0, 1))


def _log_ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """log(numerator / denominator); -inf (no bound) where the numerator is not positive."""
    return numerator.clamp_min(0).log() - denominator.log()


def _to_units(bounds: Tensor, offset: Tensor, mass: Tensor) -> Tensor:
    """Bounds on b + m sum a v as bounds on sum a v.

    Infinite where the offset is: a label that is not allowed stays so under any attention.
    """
    free = torch.tensor([-torch.inf, torch.inf], dtype=bounds.dtype, device=bounds.device)
    inner = (bounds - offset[:, None]) / mass[:, None]
    return torch.where(offset.isfinite()[:, None], inner, free)
