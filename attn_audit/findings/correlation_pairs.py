"""The pairs of rankings that are correlated, with the fields and metrics of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

from attn_audit.findings import tolerance
from attn_audit.findings.example import N_UNITS, status_field
from attn_audit.findings.field import EXAMPLES, SHARE, TAU, Field, Place, Range
from attn_audit.findings.measure import GRADIENT, LEAVE_ONE_OUT, MEASURES, Measure
from attn_audit.findings.metric import TAU_EDGES, MeanMetric, Metric, ShareMetric, TotalMetric
from attn_audit.findings.thresholds import SIGNIFICANT
from attn_audit.statistics.summary import Estimate

if TYPE_CHECKING:
    from attn_audit.results.table import Examples, Values
    from attn_audit.statistics.intervals import Resamples

_RANKS_NOTHING = "a side ranks nothing, or a measure was not asked for"

STATUS = status_field("correlation")


@dataclass(frozen=True)
class Pair:
    """Two rankings of the same units that are compared."""

    first: str
    second: str
    """Fields that rank the units."""
    between: str
    """Both in a sentence."""
    tau: Field[float | None]
    p_value: Field[float | None]

    @staticmethod
    def of(first: str, second: str, between: str) -> "Pair":
        """A pair with its fields, which all sites have if attention is one of the two."""
        place = Place.EVERYWHERE if first == "attention" else Place.EXAMPLE
        name = f"{first}_{second}"
        tau = Field[float | None](
            f"correlation.{name}", f"Kendall's tau-b between {between}",
            place=place, range=TAU, null=_RANKS_NOTHING, formerly=f"tau_{name}",
            page=f"tau {first} - {second.replace('_', '-')}",
            claim="taus", tolerance=tolerance.TAU,
        )  # fmt: skip
        p_value = Field[float | None](
            f"correlation.{name}_p_value", f"Two-sided p-value of the tau between {between}",
            place=place, range=Range("probability", high=1.0), has_mean=False,
            null=f"{_RANKS_NOTHING}, or the text has fewer than 5 units", formerly=f"p_{name}",
        )  # fmt: skip
        return Pair(first, second, between, tau, p_value)

    @property
    def measures(self) -> tuple[str, ...]:
        """Importance measures that it takes."""
        return tuple(name for name in (self.first, self.second) if name != "attention")


CHANCE = "the order within each text were random, text by text"
"""The null of what is expected by chance."""


class PairMetrics(NamedTuple):
    """What a report says of a pair, in the order in which it is listed."""

    tau: MeanMetric
    significant: ShareMetric
    positive_after_correction: ShareMetric
    negative_after_correction: ShareMetric
    significantly_positive: ShareMetric
    significantly_negative: ShareMetric
    expected_by_chance: TotalMetric
    n_undefined: TotalMetric
    n_untestable: TotalMetric


def _significant(examples: "Examples", pair: Pair, sign: int) -> "Values":
    """Of one sign; 0 stands for both, as in the paper."""
    tau, p_value = examples.numbers(pair.tau), examples.numbers(pair.p_value)
    is_of_sign = sign * tau > 0 if sign else True
    return examples.where(p_value >= 0, (p_value <= SIGNIFICANT) & is_of_sign)


def _significant_after_correction(examples: "Examples", pair: Pair, sign: int) -> "Values":
    """By Benjamini-Hochberg, which looks at all examples at once."""
    from attn_audit.statistics.kendall import adjusted

    tau, p_value = examples.numbers(pair.tau), examples.numbers(pair.p_value)
    is_testable = p_value >= 0
    corrected = p_value.copy()
    corrected[is_testable] = adjusted(p_value[is_testable])
    return examples.where(is_testable, (corrected <= SIGNIFICANT) & (sign * tau > 0))


def _expected_by_chance(examples: "Examples", _: "Resamples", pair: Pair) -> Estimate:
    from attn_audit.statistics.intervals import mean
    from attn_audit.statistics.kendall import exact_chance

    is_testable = examples.numbers(pair.p_value) >= 0
    lengths = examples.numbers(N_UNITS)[is_testable].astype("int64")
    n = int(examples.is_known(pair.tau).sum())
    return Estimate(mean(exact_chance(lengths, SIGNIFICANT)) if len(lengths) else None, n)


def _n_undefined(examples: "Examples", _: "Resamples", pair: Pair) -> Estimate:
    is_known = examples.is_known(pair.tau)
    return Estimate(int((~is_known).sum()), int(is_known.sum()))


def _n_untestable(examples: "Examples", _: "Resamples", pair: Pair) -> Estimate:
    is_known = examples.is_known(pair.tau)
    return Estimate(int((is_known & ~examples.is_known(pair.p_value)).sum()), int(is_known.sum()))


@cache
def metrics_of(pair: Pair) -> PairMetrics:
    """What is said of a pair."""
    name, between, measures = pair.tau.name, pair.between, pair.measures
    tested = f"Of the examples with 5 or more units: tau between {between}"
    corrected = f"after Benjamini-Hochberg at a false discovery rate of {SIGNIFICANT:g}"

    def share(
        suffix: str, definition: str, sign: int, *, is_corrected: bool = False
    ) -> ShareMetric:
        values = _significant_after_correction if is_corrected else _significant
        return ShareMetric(
            f"{name}.{suffix}", f"{tested} is {definition}", measures=measures,
            values=partial(values, pair=pair, sign=sign), is_of_examples=not is_corrected,
            is_by_prediction=not sign,
        )  # fmt: skip

    def total(
        suffix: str, definition: str, number: Callable[..., Estimate], range: Range = EXAMPLES
    ) -> TotalMetric:
        return TotalMetric(
            f"{name}.{suffix}", definition, range=range, measures=measures,
            number=partial(number, pair=pair), has_interval=False,
        )  # fmt: skip

    return PairMetrics(
        MeanMetric.over(
            pair.tau, TAU_EDGES, measures=measures, is_coverage=True,
            groups={"prediction": TAU_EDGES, "length": None, "confidence": None},
        ),
        share("significant", f"above or below 0 with p <= {SIGNIFICANT:g}", 0),
        share("positive_after_correction", f"above 0, {corrected}", 1, is_corrected=True),
        share("negative_after_correction", f"below 0, {corrected}", -1, is_corrected=True),
        share("significantly_positive", f"above 0 with p <= {SIGNIFICANT:g}", 1),
        share("significantly_negative", f"below 0 with p <= {SIGNIFICANT:g}", -1),
        total(
            "expected_by_chance",
            f"{tested} would be significantly positive this often if {CHANCE}",
            _expected_by_chance, SHARE,
        ),
        total(
            "n_undefined",
            f"Examples without a tau between {between}: one unit, or a constant side",
            _n_undefined,
        ),
        total(
            "n_untestable",
            f"Examples with a tau between {between} but too few units for p <= {SIGNIFICANT:g}",
            _n_untestable,
        ),
    )  # fmt: skip


def _gap(pair: Pair, words: str) -> MeanMetric:
    def values(examples: "Examples") -> "Values":
        gap: Values = examples.numbers(YARDSTICK.tau) - examples.numbers(pair.tau)
        return gap

    return MeanMetric(
        f"correlation.gap.attention_{pair.second}",
        "By how much attention falls short of the yardstick: tau of gradients with leave-one-out "
        f"minus tau of attention with {words}, example by example",
        range=Range("tau", -2.0, 2.0), measures=YARDSTICK.measures, values=values,
        is_coverage=True, edges=TAU_EDGES,
    )  # fmt: skip


@cache
def with_attention(measure: Measure) -> Pair:
    """Attention beside a measure."""
    return Pair.of("attention", measure.name, f"attention and {measure.words}")


ATTENTION_GRADIENT, ATTENTION_LEAVE_ONE_OUT = map(with_attention, (GRADIENT, LEAVE_ONE_OUT))
YARDSTICK = Pair.of("gradient", "leave_one_out", "gradients and leave-one-out (the yardstick)")
"""What two accepted measures reach with each other on this model."""

OF_YARDSTICK = metrics_of(YARDSTICK)
GAP_GRADIENT = _gap(ATTENTION_GRADIENT, "gradients")
GAP_LEAVE_ONE_OUT = _gap(ATTENTION_LEAVE_ONE_OUT, "leave-one-out")
GAPS = {GRADIENT: GAP_GRADIENT, LEAVE_ONE_OUT: GAP_LEAVE_ONE_OUT}
"""Of the measures that make the yardstick; of others there is none."""


def pairs() -> tuple[Pair, ...]:
    """Everything that is correlated: attention with each measure, and the yardstick."""
    return (*map(with_attention, MEASURES), YARDSTICK)


@dataclass(frozen=True)
class Twin:
    """Attention beside what leaving a unit out takes away from the margin, or another such pair.

    A factor on all logits changes none of their taus, where the paper's change with the distances.
    """

    first: str
    second: str
    """Rankings: `margin` is the size of the share of the margin that moves without a unit,
    `margin_signed` the share that is lost, `gradient_signed` the gradient with its sign."""
    row: str
    """Its name in tables."""
    tau: Field[float | None]
    measures: tuple[str, ...]

    @staticmethod
    def of(first: str, second: str, row: str, between: str, *measures: str) -> "Twin":
        """A pair with its field."""
        place = Place.EVERYWHERE if first == "attention" else Place.EXAMPLE
        tau = Field[float | None](
            f"correlation.{first}_{second}", f"Kendall's tau-b between {between}", place=place,
            range=TAU, null=_RANKS_NOTHING, claim="taus of margins", tolerance=tolerance.TAU,
        )  # fmt: skip
        return Twin(first, second, row, tau, measures)


_MARGIN = "the share of the margin that moves when a unit is left out"
ATTENTION_MARGIN = Twin.of(
    "attention", "margin", "attention with effects on the margin", f"attention and {_MARGIN}",
    LEAVE_ONE_OUT.name,
)  # fmt: skip
ATTENTION_MARGIN_SIGNED = Twin.of(
    "attention", "margin_signed", "attention with their signed sizes",
    "attention and the share of the margin that is lost when a unit is left out, below 0 where it "
    "is gained", LEAVE_ONE_OUT.name,
)  # fmt: skip
ATTENTION_GRADIENT_SIGNED = Twin.of(
    "attention", "gradient_signed", "attention with signed gradients",
    "attention and gradients with their sign", GRADIENT.name,
)  # fmt: skip
GRADIENT_MARGIN = Twin.of(
    "gradient", "margin", "gradients with effects on the margin", f"gradients and {_MARGIN}",
    GRADIENT.name, LEAVE_ONE_OUT.name,
)  # fmt: skip
TWINS = (ATTENTION_MARGIN, ATTENTION_MARGIN_SIGNED, ATTENTION_GRADIENT_SIGNED, GRADIENT_MARGIN)
OF_TWINS = {
    twin: MeanMetric.over(
        twin.tau, TAU_EDGES, measures=twin.measures, is_optional=True,
        groups={"confidence": None} if twin is ATTENTION_MARGIN else None,
        is_coverage=twin is ATTENTION_MARGIN,
    )
    for twin in TWINS
}  # fmt: skip

LARGEST: Mapping[Pair | Twin, Field[float | None]] = {
    pair: Field(
        f"{pair.tau.name}.largest",
        f"The largest value that the ties on both sides allow of {pair.tau.name}: each side sorted "
        "by itself",
        place=pair.tau.place, range=TAU, null=_RANKS_NOTHING, claim="taus that ties allow",
        tolerance=tolerance.TAU,
    )
    for pair in (ATTENTION_GRADIENT, ATTENTION_LEAVE_ONE_OUT, YARDSTICK, *TWINS)
}  # fmt: skip
OF_LARGEST = {
    pair: MeanMetric.over(field, measures=pair.measures, is_optional=True)
    for pair, field in LARGEST.items()
}

PERMUTED_BASELINE = Field[float | None](
    f"{ATTENTION_GRADIENT.tau.name}.permuted",
    "Kendall's tau-b between attention that is shuffled and gradients with attention held at just "
    "that: what no order of the weights has to be right for",
    place=Place.EVERYWHERE, range=TAU, null=_RANKS_NOTHING, claim="taus of shuffled attention",
    tolerance=tolerance.TAU,
)  # fmt: skip
OF_PERMUTED_BASELINE = MeanMetric.over(
    PERMUTED_BASELINE, TAU_EDGES, measures=(GRADIENT.name,), is_optional=True
)

FIELDS: tuple[Field[object], ...] = (
    *(field for pair in pairs() for field in (pair.tau, pair.p_value)),
    *(twin.tau for twin in TWINS), *LARGEST.values(), PERMUTED_BASELINE, STATUS,
)  # fmt: skip

METRICS: tuple[Metric, ...] = (
    *(metric for pair in pairs() for metric in metrics_of(pair)), *GAPS.values(),
    *OF_TWINS.values(), *OF_LARGEST.values(), OF_PERMUTED_BASELINE,
)  # fmt: skip
