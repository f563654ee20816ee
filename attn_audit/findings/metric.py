"""A metric: one number of the report, and everything that is derived from it.

What summaries hold, what a policy may bound, what `compare` pairs example by example, coverage and
`attn-audit metrics` come from the rows of this table. The function of a row is the only definition
of its number.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from attn_audit.findings.field import EXAMPLES, SHARE, Field, Range
from attn_audit.statistics.summary import Estimate

if TYPE_CHECKING:
    from attn_audit.results.table import Examples, Values
    from attn_audit.statistics.intervals import Resamples

Edges = tuple[float, ...]


def edges(low: float, high: float, n_bins: int) -> Edges:
    """Borders of bins of the same width.

    Example:
        >>> edges(0.0, 1.0, 4)
        (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    return tuple(round(low + (high - low) * i / n_bins, 10) for i in range(n_bins + 1))


TAU_EDGES, UNIT_EDGES = edges(-1.0, 1.0, 20), edges(0.0, 1.0, 20)
DISTANCE_EDGES = edges(0.0, 1.0, 40)
"""Finer than others: most outputs hardly move, and how little differs between groups."""

JSD_EDGES = edges(0.0, 0.7, 21)
"""Up to ln 2 = 0.693 in steps of 1/30."""

GROUPINGS = ("max_attention", "prediction", "length", "confidence")
"""What examples are grouped by."""

BESIDE_MEAN = {
    "sd": "standard deviation over examples",
    "minimum": "lowest of any example",
    "q05": "5 % of the examples are below",
    "q25": "a quarter of the examples is below",
    "median": "median over examples",
    "q75": "three quarters of the examples are below",
    "q95": "95 % of the examples are below",
    "maximum": "highest of any example",
}
"""What every distribution has beside its mean, by suffix. The mean alone has an interval."""


@dataclass(frozen=True, eq=False)
class Metric:
    """A number of the report, under its own name."""

    name: str
    """Dotted: the id of the check that measures it, or `performance`, in front."""
    definition: str
    """One sentence, without its full stop."""
    _: KW_ONLY
    range: Range = SHARE
    measures: tuple[str, ...] = ()
    """Importance measures without which there is no such number, of any check."""
    needs_labels: bool = False
    is_optional: bool = False
    """Whether reports leave it out where no example has it."""
    has_interval: bool = True
    """Whether reports give its 95 % interval over examples."""

    @property
    def check(self) -> str:
        """Id of the check that measures it, or `performance`."""
        return self.name.partition(".")[0]

    @property
    def label(self) -> str:
        """What pictures call it: the name, without the check's."""
        return self.name.partition(".")[2].replace("_", " ")


@dataclass(frozen=True, eq=False, kw_only=True)
class ExampleMetric(Metric):
    """A metric that is the mean of a number of each example."""

    values: "Field[float | None] | Callable[[Examples], Values]"
    """A field, or what gives each example's value: NaN where the example does not count."""
    is_of_examples: bool = True
    """Whether an example's value depends on that example alone, so that two reports are paired."""
    is_coverage: bool = False
    """Whether a check says something of the examples that have this number, and of them alone."""

    def of(self, examples: "Examples") -> "Values":
        """Each example's value, whose mean over those that have one is the metric."""
        if isinstance(self.values, Field):
            return examples.numbers(self.values)
        return self.values(examples).astype(float, copy=False)


@dataclass(frozen=True, eq=False, kw_only=True)
class MeanMetric(ExampleMetric):
    """The mean of a number, and how its values are distributed over the examples."""

    edges: Edges | None = None
    """Of the histogram; None for none."""
    groups: Mapping[str, Edges | None] = field(default_factory=dict)
    """Groupings of the examples within which it is described too, with edges of histograms."""
    joint: Field[float | None] | None = None
    """A share that examples are counted by at the same time."""

    @staticmethod
    def over(
        values: Field[float | None],
        edges: Edges | None = None,
        *,
        groups: Mapping[str, Edges | None] | None = None,
        measures: tuple[str, ...] = (),
        is_coverage: bool = False,
        is_optional: bool = False,
        joint: Field[float | None] | None = None,
    ) -> "MeanMetric":
        """The metric of a field: its name, definition and range are the field's."""
        return MeanMetric(
            values.name, values.definition, range=values.range, values=values, edges=edges,
            groups=groups or {}, measures=measures, is_coverage=is_coverage,
            is_optional=is_optional, joint=joint,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class ShareMetric(ExampleMetric):
    """How many of the examples that could be so are so; values are 1 and 0."""

    is_by_prediction: bool = False
    """Whether it is given of each predicted class too."""
    is_by_confidence: bool = False
    """Whether it is given within strata of the model's confidence too."""

    @property
    def groupings(self) -> tuple[str, ...]:
        """Groupings of the examples within which it is given too."""
        asked = {"prediction": self.is_by_prediction, "confidence": self.is_by_confidence}
        return tuple(name for name, is_asked in asked.items() if is_asked)


@dataclass(frozen=True, eq=False, kw_only=True)
class TotalMetric(Metric):
    """A number that is no mean over examples."""

    number: "Callable[[Examples, Resamples], Estimate]"


def counting(name: str, definition: str, field: Field[str | None], value: str) -> TotalMetric:
    """How many examples have a value of a field."""

    def number(examples: "Examples", _: "Resamples") -> "Estimate":
        return Estimate(examples.counts(field).get(value, 0), None)

    return TotalMetric(name, definition, range=EXAMPLES, number=number, has_interval=False)


@dataclass(frozen=True, slots=True)
class Statistic:
    """What a policy may bound: a metric under its own name, or by suffix how its values spread."""

    metric: Metric
    suffix: str = ""
    """Of `BESIDE_MEAN`; empty: the metric itself."""

    @property
    def name(self) -> str:
        """As policies, tables and messages have it."""
        return f"{self.metric.name}.{self.suffix}" if self.suffix else self.metric.name

    @property
    def definition(self) -> str:
        """One sentence."""
        if not isinstance(self.metric, MeanMetric):
            return f"{self.metric.definition}."
        return f"{self.metric.definition}: {BESIDE_MEAN.get(self.suffix, 'mean over examples')}."

    @property
    def check(self) -> str:
        """That of the metric."""
        return self.metric.check

    @property
    def low(self) -> float:
        """No value is below; may be infinite."""
        return 0.0 if self.suffix == "sd" else self.metric.range.low

    @property
    def high(self) -> float:
        """No value is above; may be infinite."""
        ends = self.metric.range
        return ends.high - ends.low if self.suffix == "sd" else ends.high

    @property
    def is_share(self) -> bool:
        """Whether people read it in percent."""
        is_mean = isinstance(self.metric, ExampleMetric)
        return is_mean and self.metric.range == SHARE and self.suffix != "sd"

    @property
    def has_interval(self) -> bool:
        """Whether reports give its 95 % interval over examples."""
        return not self.suffix and self.metric.has_interval

    def as_dict(self) -> dict[str, str | float | bool | None]:
        """All of it by name; ends that are infinite as None, which JSON knows."""
        low, high = Range(low=self.low, high=self.high).ends
        return {
            "name": self.name, "definition": self.definition, "unit": self.metric.range.unit,
            "low": low, "high": high, "has_interval": self.has_interval,
        }  # fmt: skip


def statistics_of(metric: Metric) -> Iterator[Statistic]:
    """The metric itself first, then how the values of a distribution spread."""
    yield Statistic(metric)
    if isinstance(metric, MeanMetric):
        yield from (Statistic(metric, suffix) for suffix in BESIDE_MEAN)


def former_names(metric: Metric) -> Iterator[tuple[str, str]]:
    """What policies called the metric and its statistics before, and what they are called."""
    name = metric.name
    match metric:
        case ShareMetric():
            yield f"{name}.share", name
        case MeanMetric():
            yield f"{name}.mean", name
            for level, suffix in _QUANTILES.items():
                yield f"{name}.quantiles.{level}", f"{name}.{suffix}"
        case _:
            pass


_QUANTILES = {"0.05": "q05", "0.25": "q25", "0.5": "median", "0.75": "q75", "0.95": "q95"}
