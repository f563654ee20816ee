"""Erasure: does leaving units out in the order of an explanation move the prediction?"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, Int64, UInt64
from torch import Tensor

from attn_audit.checks.base import (
    AuditedBatch,
    Columns,
    columns_of,
    join_statuses,
    read_batch,
    scores_of,
)
from attn_audit.checks.ties import N_ORDERS, ranks_of
from attn_audit.findings import erasure as fields
from attn_audit.findings.erasure import (
    ATTENTION,
    PERMUTED,
    RANDOM,
    WAYS,
    Ranking,
    rankings_of,
)
from attn_audit.findings.example import Status
from attn_audit.findings.measure import HEAD_MIX, LEAVE_ONE_OUT, PROBABILITY_NOISE, measure
from attn_audit.models.contract import AuditedModel, EncodedExample, coarseness, require_finite
from attn_audit.models.margin import Margin
from attn_audit.progress import in_portions, part, portions
from attn_audit.randomness import example_keys, hashes, is_of_judging_half
from attn_audit.statistics.rankings import (
    MAX_UNITS_OF_ALL_SIZES,
    MAX_UNITS_OF_TABLE,
    Asking,
    bin_sizes,
    curve_sizes,
    descending,
    expected_gain,
    first_of,
    highest_by_beam,
    limits_of,
    share_above,
    subsets_of_beam,
    weighted_concordance,
)

BYTES_OF_A_UNIT = 64
"""Worked on for each unit of each set while texts are made without them, or for each output."""

Gone = int
"""The units that are left out, as a bitset: bit i is unit i."""


class Outcomes:
    """Gains and lost margins of sets of units, by one way of leaving out.

    Every pass holds as many sets, of any of the texts, as there is room for (`AuditedModel.erase`
    packs them by length), beside each text itself, from which its gains are taken.
    """

    def __init__(
        self, model: AuditedModel, encoded: Sequence[EncodedExample], operator: str | None
    ) -> None:
        """By one of the model's removals; None: its own."""
        self._model, self._encoded, self._operator = model, encoded, operator
        self._known: list[dict[Gone, tuple[float, float]]] = [{} for _ in encoded]
        """Of each text, gain and lost margin by set."""

    @property
    def n_sets(self) -> int:
        """How many were asked for."""
        return sum(map(len, self._known))

    def measure(self, asked: Sequence[Collection[Gone]]) -> None:
        """Find out of each text what is asked for and not known yet.

        Raises:
            InvalidOutputError: An output is no finite number.
        """
        missing = [
            sorted(set(sets) - known.keys()) for sets, known in zip(asked, self._known, strict=True)
        ]
        rows = [i for i, sets in enumerate(missing) if sets]
        if not rows:
            return
        n_units = max(self._encoded[i].n_units for i in rows)
        most = max(len(missing[i]) for i in rows)
        widest = max(n_units, self._model.task.n_logits)
        texts = self._model.capacity.in_memory(BYTES_OF_A_UNIT * widest * (most + 1))
        for portion in in_portions(len(rows), texts):
            self._measure(rows[portion], missing)

    def _measure(self, rows: Sequence[int], missing: Sequence[Sequence[Gone]]) -> None:
        batch = self._model.collate([self._encoded[i] for i in rows])
        n_units, most = batch.unit_mask.shape[1], max(len(missing[i]) for i in rows)
        widest = max(n_units, self._model.task.n_logits)
        size = self._model.capacity.in_memory(BYTES_OF_A_UNIT * widest * len(rows))
        for portion in in_portions(most, size):
            asked = [missing[i][portion] for i in rows]
            gone = _masks(asked, n_units).to(batch.unit_mask.device)
            keep = batch.unit_mask.unsqueeze(1) & ~gone
            logits = self._model.erase(batch, keep, self._operator)
            gains, lost = self._effects(logits)
            # Of a text without any unit a model need not make a number: then nothing is lost.
            is_told = keep.any(dim=2)[:, 1:] | gains.isfinite()
            gains, lost = torch.where(is_told, gains, 0), torch.where(is_told, lost, 0)
            require_finite(batch, gains, "output without some of its units")
            self._keep(rows, asked, gains.cpu().numpy(), lost.cpu().numpy())

    def _effects(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Against the first variant, which is the text itself."""
        model, own = self._model, logits[:, 0]
        margin = Margin.of(model.task, own, coarseness(model.dtype), model.logit_limits)
        likely = margin.probability(model.task.probabilities(logits))
        return likely[:, :1] - likely[:, 1:], margin.lost(logits[:, 1:])

    def _keep(
        self,
        rows: Sequence[int],
        asked: Sequence[Sequence[Gone]],
        gains: Float64[np.ndarray, "text set"],
        lost: Float64[np.ndarray, "text set"],
    ) -> None:
        for i, sets, of_text, lost_of_text in zip(rows, asked, gains, lost, strict=True):
            both = zip(of_text.tolist(), lost_of_text.tolist(), strict=True)
            self._known[i].update(zip(sets, both, strict=False))  # behind the last is padding

    def gains(self, text: int, sets: Iterable[Gone]) -> Float64[np.ndarray, " set"]:
        """By how much what is predicted becomes less probable without each of some sets."""
        return np.array([self._known[text][gone][0] for gone in sets])

    def lost(self, text: int, sets: Iterable[Gone]) -> Float64[np.ndarray, " set"]:
        """Shares of the margin that are lost; NaN where the model is undecided."""
        return np.array([self._known[text][gone][1] for gone in sets])


def _masks(asked: Sequence[Sequence[Gone]], n_units: int) -> Bool[Tensor, "text set unit"]:
    """Which units are gone: in the first set of each text, and behind its last, none."""
    n_bytes = -(-n_units // 8)
    most = max(map(len, asked))
    masks = np.zeros((len(asked), most + 1, n_bytes), dtype=np.uint8)
    for i, sets in enumerate(asked):
        packed = b"".join(gone.to_bytes(n_bytes, "little") for gone in sets)
        masks[i, 1 : len(sets) + 1] = np.frombuffer(packed, np.uint8).reshape(-1, n_bytes)
    bits = np.unpackbits(masks, axis=2, count=n_units, bitorder="little")
    return torch.from_numpy(bits.astype(bool))


OPERATORS: Mapping[str, str | None] = {fields.AOPC: None, fields.NEUTRAL: fields.NEUTRAL}
"""By the way of leaving out that numbers are named by; None: the model's own removal."""

Orders = Int64[np.ndarray, "order unit"]


@dataclass(frozen=True)
class Erasure:
    """What the prediction loses as units go, in the order of attention, measures, and chance."""

    id: ClassVar[str] = "erasure"

    measures: tuple[str, ...]
    """That the model has scores of."""
    sample: frozenset[str] | None = None
    """Ids of the texts that are judged; None: all."""
    searched: frozenset[str] = frozenset()
    """Those of them, too long for all of their subsets, whose best order is searched for."""
    recorded: tuple[str, ...] = ()
    """Those measures whose scores no other check leaves in the records."""

    @property
    def rankings(self) -> tuple[Ranking, ...]:
        """That are judged, without random orders."""
        of_measures = (r for name in self.measures for r in rankings_of(measure(name)))
        return (ATTENTION, *of_measures, *((PERMUTED,) if HEAD_MIX.name in self.measures else ()))

    def passes(self, n_units: int) -> int:
        """Of a text of the sample: of a long one about, see `n_sets`."""
        return self._n_measured(n_units) + self.n_sets(n_units)

    def _n_measured(self, n_units: int) -> int:
        return sum(measure(name).passes(n_units) for name in self.measures)

    def n_sets(self, n_units: int) -> int:
        """That are left out of a text: of a long one as if rankings shared none, and none tied."""
        if n_units <= MAX_UNITS_OF_TABLE:
            return len(WAYS) * (1 << n_units)
        sizes = min(n_units, MAX_UNITS_OF_ALL_SIZES)
        n_orders = len(self.rankings) + fields.N_RANDOM
        return (2 * n_orders + len(self.rankings)) * sizes + n_units

    def passes_of(self, item: EncodedExample, share: float = 1.0) -> int:
        """Of one text, sampled or not; of a long one's `n_sets` only this share is run."""
        if not self._is_judged(item):
            return 0
        n_units, n_searched = item.n_units, 0
        n_sets = float(self.n_sets(n_units))
        if n_units > MAX_UNITS_OF_TABLE:
            n_sets *= share
            if item.example.id in self.searched:
                n_searched = len(WAYS) * subsets_of_beam(n_units)
        return self._n_measured(n_units) + round(n_sets) + n_searched

    def run(self, audited: AuditedBatch) -> Columns:
        """Measure the batch's part of the sample."""
        return self.measured(audited)[0]

    def measured(self, audited: AuditedBatch) -> tuple[Columns, int]:
        """The same, and how many sets were left out for it."""
        encoded = audited.batch.encoded
        rows = [i for i, item in enumerate(encoded) if self._is_judged(item)]
        found: list[dict[str, object]] = [
            {fields.STATUS.name: self._status(item)} for item in encoded
        ]
        n_sets = 0
        if rows:
            model, judged = audited.model, audited
            if len(rows) < len(encoded):
                some = model.collate([encoded[i] for i in rows])
                mixes = audited.importances.mixes
                judged = read_batch(model, some, audited.site, audited.seed, mixes)
            items = [encoded[i] for i in rows]
            n_measured = sum(self._n_measured(item.n_units) for item in items)
            with part(n_measured / max(1, sum(map(self.passes_of, items)))):
                texts = self._texts(judged)
            judged_texts, n_sets = _judged(model, texts)
            for i, numbers in zip(rows, judged_texts, strict=True):
                found[i] = numbers
            for name in self.recorded:
                for i, scores in zip(rows, scores_of(judged, name), strict=True):
                    found[i][name] = scores
        return columns_of(found), n_sets

    def _is_judged(self, item: EncodedExample) -> bool:
        return item.n_units > 1 and (self.sample is None or item.example.id in self.sample)

    def _status(self, item: EncodedExample) -> str:
        is_sampled = self.sample is None or item.example.id in self.sample
        return Status.SINGLE_UNIT if is_sampled else Status.NOT_SAMPLED

    def _texts(self, audited: AuditedBatch) -> list["_Text"]:
        """Every text of a batch, with the orders that each ranking brings its units into."""
        model, seed, importances = audited.model, audited.seed, audited.importances
        ids, lengths = audited.ids, audited.lengths
        n_units = int(lengths.max())
        random = hashes(example_keys(seed, ids, "erasure/random"), range(N_PAIRS), n_units)
        draws = hashes(example_keys(seed, ids, "erasure/ties"), range(N_ORDERS), n_units)
        texts = [
            _Text(item, random[i, :, :n], item.example.id in self.searched)
            for i, (item, n) in enumerate(zip(audited.batch.encoded, lengths, strict=True))
        ]
        attention = audited.explanation.cpu().numpy()
        has_mass, has_margin = audited.has_mass, audited.has_margin
        ranks = ranks_of("attention", attention, lengths, model.dtype)
        for i, text in enumerate(texts):
            text.rank(ATTENTION, attention[i], ranks[i], draws[i], is_ranked=bool(has_mass[i]))
            lacks_mass = audited.has_attention and not has_mass[i]
            text.reasons += [Status.NO_AUDITED_MASS] if lacks_mass else []
            text.reasons += [] if has_margin[i] else [Status.NO_MARGIN]
        passes = [measure(name).passes(n_units) for name in self.measures]
        for name in portions(self.measures, passes):
            scores = importances.scores(name).cpu().numpy()
            is_ranked = ~np.isnan(scores).any(axis=1)
            scores = np.where(is_ranked[:, None], scores, 0)
            noise = None
            if name == LEAVE_ONE_OUT.name:
                noise = np.nan_to_num(importances.left_out.noise.cpu().numpy())
            tables = {
                ranking: np.abs(scores) if ranking.is_magnitude else scores
                for ranking in rankings_of(measure(name))
            }
            if name == HEAD_MIX.name:
                tables[PERMUTED] = importances.mixed[..., 1].nan_to_num().cpu().numpy()
            for ranking, table in tables.items():
                ranks = ranks_of(name, table, lengths, model.dtype, noise)
                for i, text in enumerate(texts):
                    is_told = bool(is_ranked[i])
                    text.rank(ranking, table[i], ranks[i], draws[i], is_ranked=is_told)
            for text, is_one in zip(texts, is_ranked.tolist(), strict=True):
                text.reasons += [] if is_one else [measure(name).status_undefined]
        return texts


N_PAIRS = fields.N_RANDOM // 2
"""Random orders are drawn with their reverses: what one leaves, the other has removed."""


@dataclass
class _Text:
    """A text, and the orders that its units are left out in."""

    item: EncodedExample
    drawn: UInt64[np.ndarray, "pair unit"]
    is_searched: bool
    orders: dict[Ranking, Orders] = field(default_factory=dict)
    scores: dict[Ranking, Float64[np.ndarray, " unit"]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    """Why some of its numbers are not there."""

    def __post_init__(self) -> None:
        forwards = self.drawn.argsort(axis=1)
        self.orders[RANDOM] = np.concatenate([forwards, forwards[:, ::-1]])
        self.n_units = self.item.n_units
        self.sizes, self.bins = curve_sizes(self.n_units), bin_sizes(self.n_units)
        self.all_units = (1 << self.n_units) - 1
        self.has_table = self.n_units <= MAX_UNITS_OF_TABLE
        self.needs_search = self.is_searched and not self.has_table

    def rank(
        self,
        ranking: Ranking,
        scores: Float64[np.ndarray, " unit"],
        ranks: Int[np.ndarray, " unit"],
        draws: UInt64[np.ndarray, "order unit"],
        *,
        is_ranked: bool,
    ) -> None:
        """Bring its units into the order of some scores; padding behind them is left out."""
        if is_ranked:
            n = self.n_units
            self.scores[ranking] = scores[:n]
            self.orders[ranking] = descending(ranks[:n], draws[:, :n])

    def sets(self, order: Int64[np.ndarray, " unit"], sizes: Sequence[int]) -> list[Gone]:
        """Its first units, at several sizes."""
        return first_of(order.tolist(), sizes)

    def others(self, sets: Sequence[Gone]) -> list[Gone]:
        """What is gone where only these stay."""
        return [self.all_units ^ these for these in sets]

    def asked(self, way: str) -> set[Gone]:
        """All sets that some number needs, by a way of leaving out."""
        if self.has_table:
            return set(range(1 << self.n_units))
        found: set[Gone] = set()
        for orders in self.orders.values():
            for order in orders:
                found.update(self.sets(order, self.sizes))
                if way == fields.AOPC:
                    found.update(self.others(self.sets(order, self.sizes)))
                    found.update(self.sets(order, self.bins))
                    found.update(self.others(self.sets(order, self.bins)))
        if way == fields.AOPC:
            found.update(self.singles)
        return found

    @property
    def singles(self) -> list[Gone]:
        """Each unit alone."""
        return [1 << unit for unit in range(self.n_units)]


def _judged(model: AuditedModel, texts: Sequence[_Text]) -> tuple[list[dict[str, object]], int]:
    """What is found of each text, and how many sets were left out of all."""
    encoded, n_sets = [text.item for text in texts], 0
    found = [_described(text) for text in texts]
    ways = [
        way
        for way, operator in OPERATORS.items()
        if operator is None or model.removals[operator].why_not is None
    ]
    asked = {way: [text.asked(way) for text in texts] for way in ways}
    n_searched = sum(subsets_of_beam(text.n_units) for text in texts if text.needs_search)
    every = {way: sum(map(len, of_way)) + n_searched for way, of_way in asked.items()}
    for way in portions(ways, list(every.values())):
        outcomes = Outcomes(model, encoded, OPERATORS[way])
        with part(1 - n_searched / every[way]):
            outcomes.measure(asked[way])
        uppers = _searched(texts, outcomes)
        noise = PROBABILITY_NOISE * coarseness(model.dtype)
        for i, (text, numbers) in enumerate(zip(texts, found, strict=True)):
            gains = _TextGains(text, i, outcomes)
            numbers |= gains.limits(way, uppers.get(i))
            numbers |= gains.of_rankings(way, noise)
        n_sets += outcomes.n_sets
    return found, n_sets


def _described(text: _Text) -> dict[str, object]:
    (is_judging,) = is_of_judging_half([text.item.example.id])
    how = fields.EXACT if text.has_table else fields.BEAM if text.is_searched else None
    return {
        fields.STATUS.name: join_statuses(text.reasons),
        fields.HALF.name: fields.JUDGE if is_judging else fields.FIT,
        fields.LIMITS.name: how,
    }


def _searched(texts: Sequence[_Text], outcomes: Outcomes) -> dict[int, float]:
    """The best orders that are found, of the texts that are searched, a level of all together."""
    asking: dict[int, tuple[Asking, list[Gone]]] = {}
    for i, text in enumerate(texts):
        if text.needs_search:
            search = highest_by_beam(text.n_units)
            asking[i] = search, next(search)
    found: dict[int, float] = {}
    n_levels = max((texts[i].n_units for i in asking), default=0)
    for _ in portions(range(n_levels)):  # one for each unit
        outcomes.measure([asking[i][1] if i in asking else () for i in range(len(texts))])
        for i, (search, asked) in list(asking.items()):
            try:
                asking[i] = search, search.send(outcomes.gains(i, asked).tolist())
            except StopIteration as end:
                found[i] = end.value
                del asking[i]
    return found


class _TextGains:
    """A text with the gains of its sets, by one way of leaving out."""

    def __init__(self, text: _Text, place: int, outcomes: Outcomes) -> None:
        self._text, self._place, self._outcomes = text, place, outcomes
        self._table = None
        if text.has_table:
            self._table = outcomes.gains(place, range(1 << text.n_units))

    def limits(self, way: str, searched: float | None) -> dict[str, float | None]:
        """The upper and the lower one, as far as they are known."""
        if self._table is None:
            return {fields.UPPER[way].name: searched}
        limits = limits_of(self._table)
        return {fields.UPPER[way].name: limits.upper, fields.LOWER[way].name: limits.lower}

    def of_rankings(self, way: str, noise: float) -> dict[str, float | None]:
        """Every number of each ranking that ranks the text's units."""
        text = self._text
        numbers = self._neutral if way == fields.NEUTRAL else self._own
        random = np.array([self._mean_gain(order) for order in text.orders[RANDOM]])
        found: dict[str, float | None] = {}
        for ranking, orders in text.orders.items():
            of_orders = [numbers(order) for order in orders]
            means = {name: _mean([each[name] for each in of_orders]) for name in of_orders[0]}
            if way == fields.AOPC:
                of_each = [self._mean_gain(order) for order in orders]
                means[fields.ABOVE_RANDOM] = _mean([share_above(g, random, noise) for g in of_each])
                if ranking is not RANDOM:
                    effects = self._gains(text.singles)
                    means[fields.SACO] = weighted_concordance(text.scores[ranking], effects)
            if ranking is RANDOM and self._table is not None:
                means |= self._expected(way)
            found |= {ranking.fields[n].name: v for n, v in means.items() if n in ranking.fields}
        return found

    def _gains(self, sets: Sequence[Gone]) -> Float64[np.ndarray, " set"]:
        return self._outcomes.gains(self._place, sets)

    def _mean_gain(self, order: Int64[np.ndarray, " unit"]) -> float:
        return float(self._gains(self._text.sets(order, self._text.sizes)).mean())

    def _neutral(self, order: Int64[np.ndarray, " unit"]) -> dict[str, float | None]:
        return {fields.NEUTRAL: self._mean_gain(order)}

    def _own(self, order: Int64[np.ndarray, " unit"]) -> dict[str, float | None]:
        text = self._text
        sets, bins = text.sets(order, text.sizes), text.sets(order, text.bins)
        lost = float(self._outcomes.lost(self._place, sets).mean())
        return {
            fields.AOPC: float(self._gains(sets).mean()),
            fields.OF_MARGIN: None if np.isnan(lost) else lost,
            fields.SUFFICIENCY: float(self._gains(text.others(sets)).mean()),
            fields.COMPREHENSIVENESS_BINS: float(self._gains(bins).mean()),
            fields.SUFFICIENCY_BINS: float(self._gains(text.others(bins)).mean()),
        }

    def _expected(self, way: str) -> dict[str, float | None]:
        """Of random orders, exactly."""
        assert self._table is not None
        text = self._text
        if way == fields.NEUTRAL:
            return {fields.NEUTRAL: expected_gain(self._table, text.sizes)}
        only = self._table[::-1]  # by the units that stay
        lost = self._outcomes.lost(self._place, range(1 << text.n_units))
        of_margin = None if np.isnan(lost).any() else expected_gain(lost, text.sizes)
        return {
            fields.AOPC: expected_gain(self._table, text.sizes),
            fields.OF_MARGIN: of_margin,
            fields.SUFFICIENCY: expected_gain(only, text.sizes),
            fields.COMPREHENSIVENESS_BINS: expected_gain(self._table, text.bins),
            fields.SUFFICIENCY_BINS: expected_gain(only, text.bins),
        }


def _mean(values: Sequence[float | None]) -> float | None:
    """Over orders of one text, all of which have the number or none."""
    return None if values[0] is None else float(np.mean([v for v in values if v is not None]))
