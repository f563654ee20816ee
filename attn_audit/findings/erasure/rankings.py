"""What is measured of each ranking of units, in the records and in the report.

A ranking is the descending order of a measure's scores. A signed measure has two: what speaks most
for the prediction first, and what moves it most either way first.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

from attn_audit.findings import tolerance
from attn_audit.findings.example import NOT_RUN, status_field
from attn_audit.findings.field import EXAMPLES, MARGIN, SAME, SHARE, TAU, Field, Kind, Range
from attn_audit.findings.measure import MEASURES, Measure
from attn_audit.findings.metric import MeanMetric, Metric, TotalMetric, edges
from attn_audit.findings.tolerance import Tolerance
from attn_audit.statistics.estimate import Estimate

if TYPE_CHECKING:
    from attn_audit.results.examples import Examples
    from attn_audit.results.table import Values
    from attn_audit.statistics.intervals import Resamples

N_RANDOM = 20
"""Orders that are drawn at random."""

GAIN = Range("probability", low=-1.0, high=1.0)
"""By how much what is predicted becomes less probable; below 0: more."""

HEADROOM = Range("share of the headroom", low=-float("inf"))
CONCORDANCE = Range("concordance", low=-1.0, high=1.0)
GAIN_EDGES = edges(-1.0, 1.0, 40)

NOT_JUDGED = (
    f"{NOT_RUN}, the text is not in its sample or has one unit, or the measure has no scores for it"
)
NO_OTHER_WAY = f"{NOT_JUDGED}; or the model cannot be asked with neutral units"
NO_LIMIT = f"{NOT_JUDGED}; or the text is too long"

EXACT, BEAM = "exact", "beam"
"""How limits are known: from all subsets, or by a search."""

FIT, JUDGE = "fit", "judge"
"""The halves of the texts: one chooses among rankings, the other says how good they are."""


@dataclass(frozen=True, slots=True)
class _Number:
    """A number of each ranking."""

    definition: str
    """With `{order}` in it."""
    range: Range = GAIN
    _: KW_ONLY
    null: str = NOT_JUDGED
    scale: Callable[..., list[float]] = tolerance.ordered_scale
    tolerance: Tolerance = tolerance.ORDERED
    of_magnitudes: bool = False
    """Whether it is given of the second ranking of a signed measure, too."""
    of_random: bool = True


_FALL = "By how much what is predicted becomes less probable"

AOPC, NEUTRAL, OF_MARGIN, SUFFICIENCY = "", "neutral", "margin", "sufficiency"
COMPREHENSIVENESS_BINS, SUFFICIENCY_BINS = "comprehensiveness_bins", "sufficiency_bins"
ABOVE_RANDOM, SACO = "above_random", "saco"

NUMBERS: Mapping[str, _Number] = {
    AOPC: _Number(
        f"{_FALL} as units are left out in {{order}}, mean over how many are left out (the AOPC of "
        "comprehensiveness)", of_magnitudes=True,
    ),
    NEUTRAL: _Number(
        f"{_FALL} as neutral units take the place of others in {{order}}, mean over how many are "
        "replaced", null=NO_OTHER_WAY, of_magnitudes=True,
    ),
    OF_MARGIN: _Number(
        "Share of the margin that is lost as units are left out in {order}, mean over how many are "
        "left out", MARGIN, null=f"{NOT_JUDGED}; or the model is undecided",
        tolerance=tolerance.ORDERED_MARGIN, scale=tolerance.margin_scale,
    ),
    SUFFICIENCY: _Number(
        f"{_FALL} where only the first units in {{order}} stay, mean over how many stay: the less "
        "the better",
    ),
    COMPREHENSIVENESS_BINS: _Number(
        f"{_FALL} without the first 1, 5, 10, 20 and 50 % of the units in {{order}}, mean over the "
        "five (ERASER)",
    ),
    SUFFICIENCY_BINS: _Number(
        f"{_FALL} where only the first 1, 5, 10, 20 and 50 % of the units in {{order}} stay, mean "
        "over the five (ERASER)",
    ),
    ABOVE_RANDOM: _Number(
        f"Share of {N_RANDOM} random orders that leaving out in {{order}} moves the prediction "
        "more than; equal ones count half", SHARE, tolerance=tolerance.OF_TWENTY,
        scale=tolerance.itself, of_magnitudes=True, of_random=False,
    ),
    SACO: _Number(
        "Whether units of larger scores have larger effects when each alone is left out, pairs "
        "weighed by how far their scores differ (SaCo), in {order}", CONCORDANCE,
        null=f"{NOT_JUDGED}; or all scores are equal", tolerance=tolerance.CONCORDANCE,
        scale=tolerance.itself, of_random=False,
    ),
}  # fmt: skip
"""By what stands behind the ranking's name."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """An order of a text's units, and what is known of it."""

    name: str
    words: str
    """Of it, in sentences and tables."""
    measure: Measure | None = None
    """Whose scores it follows; None of attention and of random orders."""
    is_magnitude: bool = False
    """Whether it follows the size of signed scores."""

    @property
    def is_brief(self) -> bool:
        """Whether it stands beside a ranking that more is told of."""
        return self.is_magnitude or self is PERMUTED

    @cached_property
    def fields(self) -> Mapping[str, Field[float | None]]:
        """Of the records, by what stands behind the ranking's name."""
        return {suffix: self._field(suffix, number) for suffix, number in self._numbers()}

    def _numbers(self) -> Iterator[tuple[str, _Number]]:
        for suffix, number in NUMBERS.items():
            is_there = number.of_magnitudes or not self.is_brief
            if is_there and (number.of_random or self is not RANDOM):
                yield suffix, number

    def _field(self, suffix: str, number: _Number) -> Field[float | None]:
        order = f"the order of {self.words}"
        if self is RANDOM:
            order = f"{N_RANDOM} random orders, of a short text in all there are"
        return Field(
            ".".join(filter(None, ("erasure", self.name, suffix))),
            number.definition.format(order=order), range=number.range, null=number.null,
            claim=f"erasure: {suffix.replace('_', ' ') or 'mean gain'}",
            tolerance=number.tolerance, scale=number.scale,
        )  # fmt: skip

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of those without which it is not there."""
        return () if self.measure is None else (self.measure.name,)

    @cached_property
    def means(self) -> Mapping[str, MeanMetric]:
        """Of the report: the mean of each of its fields."""
        groups = dict.fromkeys(("prediction", "length", "confidence"))
        return {
            suffix: MeanMetric.over(
                field, None if suffix else GAIN_EDGES, groups=None if suffix else groups,
                measures=self.measures, is_optional=True,
            )
            for suffix, field in self.fields.items()
        }  # fmt: skip

    @cached_property
    def gaps(self) -> Mapping[str, MeanMetric]:
        """By how much it is above attention on the same texts, by the way of leaving out."""
        if self in (ATTENTION, PERMUTED, RANDOM):
            return {}
        return {
            way: MeanMetric(
                f"{self.fields[way].name}.gap",
                f"By how much more leaving out in the order of {self.words} moves the prediction "
                f"than in that of attention{_WITH[way]}, text by text",
                range=Range("probability", -2.0, 2.0), values=partial(_gap, self, way),
                measures=self.measures, is_optional=True,
            )
            for way in WAYS
        }  # fmt: skip

    @cached_property
    def scores(self) -> Mapping[str, TotalMetric]:
        """What it is above random orders, of what the best order is, by the way of leaving out."""
        if self in (PERMUTED, RANDOM):
            return {}
        return {
            way: TotalMetric(
                f"{self.fields[way].name}.score",
                f"Mean gain of the order of {self.words} over random orders, as a part of the mean "
                f"gain of the best order over them{_WITH[way]}, on the texts that have limits",
                range=HEADROOM, number=partial(_score, self, way), measures=self.measures,
                is_optional=True,
            )
            for way in WAYS
        }  # fmt: skip

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of the report."""
        return (*self.means.values(), *self.gaps.values(), *self.scores.values())


WAYS = (AOPC, NEUTRAL)
"""Both ways of leaving out: what one of them alone shows may be the way's doing."""

_WITH = {AOPC: "", NEUTRAL: ", with neutral units in their place"}

ATTENTION = Ranking("attention", "attention")
RANDOM = Ranking("random", "random")
PERMUTED = Ranking("head_mix_permuted", "a head mix fitted to permuted effects")
"""A control: it has to be as good as random orders are."""


@cache
def rankings_of(measure: Measure) -> tuple[Ranking, ...]:
    """By its scores, and where these are signed by their size, unless they were fitted."""
    by_score = Ranking(measure.name, measure.words, measure)
    if not measure.is_signed or measure.is_fitted:
        return (by_score,)
    name, words = f"{measure.name}_magnitude", f"{measure.words} (size)"
    return by_score, Ranking(name, words, measure, is_magnitude=True)


def rankings() -> tuple[Ranking, ...]:
    """All there are: attention, those of the measures, the controls."""
    judged = (measure for measure in MEASURES if not measure.is_of_correlation)
    return (ATTENTION, *(r for measure in judged for r in rankings_of(measure)), PERMUTED, RANDOM)


def _limit(name: str, definition: str, way: str) -> Field[float | None]:
    return Field(
        ".".join(filter(None, (f"erasure.{name}", way))), f"{definition}{_WITH[way]}", range=GAIN,
        null=NO_LIMIT if way == AOPC else f"{NO_LIMIT}; or it cannot be asked with neutral units",
        claim="erasure: limits", tolerance=tolerance.ORDERED, scale=tolerance.ordered_scale,
    )  # fmt: skip


UPPER = {
    way: _limit("upper", "The largest mean gain of any order; of a search a lower bound of it", way)
    for way in WAYS
}
LOWER = {
    way: _limit("lower", "The smallest mean gain of any order, where all are known", way)
    for way in WAYS
}
LIMITS = Field[str | None](
    "erasure.limits",
    f"How the text's limits are known: `{EXACT}` from all subsets of its units, `{BEAM}` by a "
    "search, which bounds the upper one from below",
    kind=Kind.TEXT, null=NO_LIMIT, claim=SAME,
)  # fmt: skip
HALF = Field[str | None](
    "erasure.half",
    f"Which half of the texts it is of, by its id alone: `{FIT}` chooses among measures, `{JUDGE}` "
    "says how good they are",
    kind=Kind.TEXT, null=NOT_JUDGED, claim=SAME,
)  # fmt: skip
STATUS = status_field("erasure")

_OF_TEXTS: tuple[Field[object], ...] = (*UPPER.values(), *LOWER.values(), LIMITS, HALF, STATUS)

FIELDS: tuple[Field[object], ...] = (
    *(field for ranking in rankings() for field in ranking.fields.values()), *_OF_TEXTS,
)  # fmt: skip


def _gap(ranking: Ranking, way: str, examples: "Examples") -> "Values":
    gap: Values = examples.numbers(ranking.fields[way]) - examples.numbers(ATTENTION.fields[way])
    return gap


def _score(ranking: Ranking, way: str, examples: "Examples", resamples: "Resamples") -> Estimate:
    from attn_audit.statistics.paired import ratio_of_means

    random = examples.numbers(RANDOM.fields[way])
    gain = examples.numbers(ranking.fields[way]) - random
    return ratio_of_means(gain, examples.numbers(UPPER[way]) - random, resamples)


def _n_by(how: str, definition: str) -> TotalMetric:
    def number(examples: "Examples", _: "Resamples") -> Estimate:
        return Estimate(examples.counts(LIMITS).get(how, 0), None)

    return TotalMetric(
        f"erasure.n_{how}", definition, range=EXAMPLES, number=number, has_interval=False
    )


def _n_judged(examples: "Examples", _: "Resamples") -> Estimate:
    return Estimate(sum(examples.counts(HALF).values()), None)


def _agreement(examples: "Examples", resamples: "Resamples") -> Estimate:
    """On texts that all of these rankings rank, so that each is the mean of the same texts."""
    import numpy as np

    from attn_audit.statistics.paired import tau_of_means

    told = (ranking for ranking in rankings() if ranking is not PERMUTED)
    pairs = [tuple(examples.numbers(ranking.fields[way]) for way in WAYS) for ranking in told]
    asked = [pair for pair in pairs if not any(np.isnan(side).all() for side in pair)]
    if len(asked) < 2:
        return Estimate(None, None)
    own, neutral = (np.stack(side, axis=1) for side in zip(*asked, strict=True))
    return tau_of_means(own, neutral, resamples)


N_JUDGED = TotalMetric(
    "erasure.n_judged", "Texts of which units were left out in the order of rankings",
    range=EXAMPLES, number=_n_judged, has_interval=False,
)  # fmt: skip
N_EXACT = _n_by(EXACT, "Texts whose limits are known from all subsets of their units")
N_BEAM = _n_by(BEAM, "Texts whose upper limit is known from below, by a search")
AGREEMENT = TotalMetric(
    "erasure.operators_tau",
    "Kendall's tau-b between the orders that both ways of leaving out bring rankings into, by the "
    "mean gain of each",
    range=TAU, number=_agreement,
)  # fmt: skip
OF_LIMITS = {
    field: MeanMetric.over(field, is_optional=True) for field in (*UPPER.values(), *LOWER.values())
}

METRICS: tuple[Metric, ...] = (
    *(metric for ranking in rankings() for metric in ranking.metrics), *OF_LIMITS.values(),
    AGREEMENT, N_JUDGED, N_EXACT, N_BEAM,
)  # fmt: skip
