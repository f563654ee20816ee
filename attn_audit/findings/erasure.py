"""Erasure: does leaving units out in the order of an explanation move the prediction?

A ranking is the descending order of a measure's scores. A signed measure has two: what speaks most
for the prediction first, and what moves it most either way first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

from attn_audit.document import Figure, ForestPlot, Hue, Points, Table
from attn_audit.findings import tolerance
from attn_audit.findings.check import NOT_MEASURED, CheckFindings, Record, group_table
from attn_audit.findings.example import NOT_RUN, status_field
from attn_audit.findings.field import EXAMPLES, MARGIN, SAME, SHARE, TAU, Field, Kind, Range
from attn_audit.findings.measure import MEASURES, Measure
from attn_audit.findings.metric import MeanMetric, Metric, TotalMetric, counting, edges
from attn_audit.findings.rule import Outcome, held, left_open
from attn_audit.findings.thresholds import CHANCE, MIN_EXAMPLES
from attn_audit.findings.tolerance import Tolerance
from attn_audit.numbers import count, counted, mean, mean_percent, number, with_interval
from attn_audit.statistics.summary import Distribution, Estimate

if TYPE_CHECKING:
    from attn_audit.results.report import Report
    from attn_audit.results.table import Examples, Values
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
        tolerance=tolerance.ORDERED_MARGIN,
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
        "more than; equal ones count half", SHARE,
        tolerance=tolerance.OF_TWENTY, of_magnitudes=True, of_random=False,
    ),
    SACO: _Number(
        "Whether units of larger scores have larger effects when each alone is left out, pairs "
        "weighed by how far their scores differ (SaCo), in {order}", CONCORDANCE,
        null=f"{NOT_JUDGED}; or all scores are equal", tolerance=tolerance.CONCORDANCE,
        of_random=False,
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
        return {
            suffix: self._field(suffix, row)
            for suffix, row in NUMBERS.items()
            if (row.of_magnitudes or not self.is_brief) and (row.of_random or self is not RANDOM)
        }

    def _field(self, suffix: str, number: _Number) -> Field[float | None]:
        order = f"the order of {self.words}"
        if self is RANDOM:
            order = f"{N_RANDOM} random orders, of a short text in all there are"
        return Field(
            ".".join(filter(None, ("erasure", self.name, suffix))),
            number.definition.format(order=order), range=number.range, null=number.null,
            claim=f"erasure: {suffix.replace('_', ' ') or 'mean gain'}",
            tolerance=number.tolerance,
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
        claim="erasure: limits", tolerance=tolerance.ORDERED,
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
    from attn_audit.statistics.intervals import ratio_of_means

    random = examples.numbers(RANDOM.fields[way])
    gain = examples.numbers(ranking.fields[way]) - random
    return ratio_of_means(gain, examples.numbers(UPPER[way]) - random, resamples)


def _agreement(examples: "Examples", resamples: "Resamples") -> Estimate:
    """On texts that all of these rankings rank, so that each is the mean of the same texts."""
    import numpy as np

    from attn_audit.statistics.intervals import tau_of_means

    told = (ranking for ranking in rankings() if ranking is not PERMUTED)
    pairs = [tuple(examples.numbers(ranking.fields[way]) for way in WAYS) for ranking in told]
    asked = [pair for pair in pairs if not any(np.isnan(side).all() for side in pair)]
    if len(asked) < 2:
        return Estimate(None, None)
    own, neutral = (np.stack(side, axis=1) for side in zip(*asked, strict=True))
    return tau_of_means(own, neutral, resamples)


N_JUDGED = TotalMetric(
    "erasure.n_judged", "Texts of which units were left out in the order of rankings",
    range=EXAMPLES, has_interval=False,
    number=lambda examples, _: Estimate(sum(examples.counts(HALF).values()), None),
)  # fmt: skip
N_EXACT = counting(
    "erasure.n_exact", "Texts whose limits are known from all subsets of their units", LIMITS, EXACT
)
N_BEAM = counting(
    "erasure.n_beam", "Texts whose upper limit is known from below, by a search", LIMITS, BEAM
)
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


QUESTION = (
    "Does leaving out units in the order of attention move the prediction more than in random "
    "order, and how near to the most that any order could?"
)


def _known(report: "Report") -> list[tuple[Ranking, Distribution]]:
    """The rankings that were judged, the largest mean gain first."""
    told = (ranking for ranking in rankings() if ranking is not PERMUTED)
    found = ((ranking, report.get(ranking.means[AOPC])) for ranking in told)
    known = [(r, of) for r, of in found if of is not None and of.mean is not None]
    return sorted(known, key=lambda each: -(each[1].mean or 0.0))


def _tables(report: "Report") -> Iterator[Table]:
    yield _table(report)
    of_attention = report.get(ATTENTION.means[AOPC])
    if of_attention is not None and of_attention.mean is not None:
        yield group_table("gain, in the order of attention", of_attention, (-1.0, 1.0))


def _table(report: "Report") -> Table:
    def written(ranking: Ranking, name: str) -> str:
        metric = ranking.means.get(name)
        found = None if metric is None else report.get(metric)
        if found is None:
            return "-"
        return mean_percent(found) if name == ABOVE_RANDOM else mean(found)

    def row(ranking: Ranking) -> tuple[str, ...]:
        gap = ranking.gaps.get(AOPC)
        to_attention = None if gap is None else report.get(gap)
        return (
            ranking.words,
            *(written(ranking, name) for name in (AOPC, NEUTRAL, OF_MARGIN, SUFFICIENCY)),
            "-" if to_attention is None else mean(to_attention),
            *(written(ranking, name) for name in (ABOVE_RANDOM, SACO)),
            _written_score(report, ranking),
        )

    columns = (
        "order of", "gain", "neutral", "of the margin", "only these stay", "above attention",
        "above random", "SaCo", "score",
    )  # fmt: skip
    return Table(columns, tuple(row(ranking) for ranking, _ in _known(report)), "By ranking")


def _written_score(report: "Report", ranking: Ranking) -> str:
    metric = ranking.scores.get(AOPC)
    found = None if metric is None else report.get(metric)
    return "-" if found is None else with_interval(found.value, found.interval)


def _points(report: "Report") -> Points | None:
    known = _known(report)
    if not known:
        return None
    rows = tuple(
        (r.words, of.mean or 0.0, of.interval, Hue.YARDSTICK if r is RANDOM else Hue.OTHER)
        for r, of in known
    )
    intervals = [interval for _, _, interval, _ in rows if interval is not None]
    ends = [
        *(value for _, value, *_ in rows), *(i.low for i in intervals), *(i.high for i in intervals)
    ]  # fmt: skip
    limits = (min(0.0, *ends), max(0.0, *ends))
    said = "Mean gain by leaving out in the order of each ranking"
    return Points(rows, limits, (number(limits[0]), number(limits[1])), said)


def _verdict(report: "Report") -> str:
    """Whether attention ranks units better than chance does; without any, what does."""
    if report.model.no_attention_because is not None and report.recommendation is not None:
        return report.recommendation.short
    above = report.get(ATTENTION.means[ABOVE_RANDOM])
    if above is None or above.mean is None:
        return NOT_MEASURED
    if held("min", CHANCE, above) is Outcome.PASS:
        return "Yes: more than in most random orders."
    if held("min", CHANCE, above) is Outcome.FAIL:
        return "No: less than in most random orders."
    said = f"above {mean_percent(above)} of random orders"
    is_capped = above.n < MIN_EXAMPLES and report.settings.erasure_sample < report.data.n_examples
    more = " The option --erasure-sample takes more." if is_capped else ""
    return left_open("erasure", report, above.n, said) + more


def _in_short(report: "Report") -> tuple[str, ...]:
    """The gains of the best measure, of attention and of chance."""
    shown = dict(_known(report))
    chosen = [r for r in (next(iter(shown)), ATTENTION, RANDOM) if r in shown]
    found = report.recommendation
    is_shown = found is not None and found.show_instead is not None
    more = () if is_shown else ("this order recommends nothing: What to show instead does",)
    return (*(f"{r.words}: {mean(shown[r])}" for r in dict.fromkeys(chosen)), *more)


def _line(record: Record) -> str | None:
    own, random = (record.get(r.fields[AOPC].name) for r in (ATTENTION, RANDOM))
    if own is None or random is None:
        return None
    upper = record.get(UPPER[AOPC].name)
    most = "" if upper is None else f"; the best order found: {number(upper)}"
    return (
        f"left out in the order of attention, the prediction loses {number(own)}, in random orders "
        f"{number(random)}{most}"
    )


def _answer(report: "Report") -> tuple[str, ...]:
    known = _known(report)
    unit, n = report.settings.unit, int(report[N_JUDGED].value)
    first = (
        f"Of {counted(n, 'text')}, {unit}s are left out one after the other in some order; what is "
        "predicted becomes less probable, on average over how many are gone, by "
        + ", ".join(f"{mean(of)} ({r.words})" for r, of in known)
        + "."
    )
    leading = ATTENTION if report.model.no_attention_because is None else known[0][0]
    return (first, *_against_limits(report, leading), *_other_way(report, len(known), leading))


def _against_limits(report: "Report", leading: Ranking) -> Iterator[str]:
    upper = report.get(OF_LIMITS[UPPER[AOPC]])
    if upper is None or upper.mean is None:
        return
    exact, beam = int(report[N_EXACT].value), int(report[N_BEAM].value)
    how = f"exactly in {counted(exact, 'text')}"
    if beam:
        how += f", and by a search, which may miss better ones, in {count(beam)}"
    yield (
        f"The best order reaches {mean(upper)} on those texts for which it is known ({how}). The "
        "score is what an order gains over random ones there, as a part of what the best gains: "
        f"{leading.words} {_written_score(report, leading)}."
    )


def _other_way(report: "Report", n_known: int, leading: Ranking) -> Iterator[str]:
    neutral = report.get(leading.means[NEUTRAL])
    if neutral is None or neutral.mean is None:
        yield (
            "A second way of leaving out, with neutral units in their place, was not to be had: "
            "what is found may be the way's doing."
        )
        return
    agreement, said = report.get(AGREEMENT), ""
    if agreement is not None:
        ways = f" Both ways order the {count(n_known)} rankings with a Kendall's tau of"
        said = f"{ways} {number(agreement.value)}."
    yield (
        "With neutral units in their place, which keeps the length of the text, the order of "
        f"{leading.words} takes away {mean(neutral)}.{said}"
    )


def _figures(report: "Report") -> Iterator[Figure]:
    """Every ranking against chance and the best order."""
    known = _known(report)
    chance = report.get(RANDOM.means[AOPC])
    if chance is None or chance.mean is None:
        return
    upper = report.get(OF_LIMITS[UPPER[AOPC]])
    best = None if upper is None or upper.mean is None else ("best order", upper.mean)
    yield ForestPlot(
        name="erasure",
        title="What leaving out in each order takes away",
        reading=(
            "The mean fall of the prediction's probability as units are left out, with its 95 % "
            "interval; further to the right is better. The band is what random orders give. The "
            "best order is known of short texts and of some others alone, so that its line is of "
            "fewer texts."
        ),
        rows=tuple((r.words, of.mean or 0.0, of.interval) for r, of in known if r is not RANDOM),
        axis="mean gain (AOPC)",
        band=("random", chance.mean, chance.interval),
        best=best,
    )


FINDINGS = CheckFindings(
    "erasure", "Erasure", QUESTION, FIELDS, METRICS,
    verdict=_verdict, in_short=_in_short, answer=_answer, line=_line,
    is_measured=lambda report: bool(_known(report)), figures=_figures, picture=_points,
    tables=lambda report: tuple(_tables(report)),
    question_without_attention=QUESTION.replace("of attention", "that some measure gives"),
    is_default=False, needs_attention=False,
)  # fmt: skip
