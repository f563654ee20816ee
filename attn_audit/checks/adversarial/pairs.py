"""Distributions over two units that meet a bound exactly, and the best of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from attn_audit.checks.adversarial.pruning import running_minima
from attn_audit.distances import MAX_JSD
from attn_audit.models.capacity import CACHE

ROUNDING = 1e-12
"""Far more than rounding changes a divergence; divergences closer than this may be ties."""

Units = Bool[np.ndarray, "case unit"]
"""Some units of each case."""


@dataclass(frozen=True)
class Best:
    """The best distribution of each case: weight on one unit, or on two; -inf where none is."""

    jsd: Float64[np.ndarray, " case"]
    first: Int64[np.ndarray, " case"]
    second: Int64[np.ndarray, " case"]
    weight: Float64[np.ndarray, " case"]
    """Of the second unit; the first has the rest."""

    def at_least(self, other: "Best") -> "Best":
        """The better of two for each case; ties stay with this one."""
        better = other.jsd > self.jsd
        return Best(
            np.where(better, other.jsd, self.jsd),
            np.where(better, other.first, self.first),
            np.where(better, other.second, self.second),
            np.where(better, other.weight, self.weight),
        )

    def split(self, n: int) -> list["Best"]:
        """The cases in n parts of the same size."""
        columns = (self.jsd, self.first, self.second, self.weight)
        return [Best(*part) for part in zip(*(np.split(c, n) for c in columns), strict=True)]


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

    def best(self, floor: Float64[np.ndarray, " case"]) -> Best:
        """The first pair of the largest divergence, where that may exceed `floor`.

        Only running minima are paired; then, because others may tie with the best of these but for
        rounding and come first, all pairs with a unit above that reaches as far.

        Args:
            floor: Divergence that is reached otherwise.
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

    def _first_best(self, below: Units, above: Units) -> Best:
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
        return Best(jsd, first, second, weight)

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
    """`distances.pair_term` of arrays: the same arguments give the same bits, so that pairs tie.

    Args:
        a: One distribution's weights.
        w: The other's.
    """
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
