"""What was found, summed up over the examples, and how far it would move on others: plain data.

It needs no NumPy, so that reports are read and judged without.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval over examples."""

    low: float
    high: float
    method: str
    """`bootstrap` (percentile), `normal` or `wilson`; of ROC AUC `delong` (on the logit scale), or
    `newcombe` where DeLong's variance is none; of differences also `newcombe`."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    """Reports that hold more of an interval are refused."""


class Estimate(NamedTuple):
    """A number, as it was found."""

    value: float | None
    """None: not defined, or not measured."""
    n: int | None
    """Examples behind it; None where it is not a number over examples."""
    interval: Interval | None = None


NOT_MEASURED = Estimate(None, None)


class Value(BaseModel):
    """Base of everything in a report: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> str:
        """All of it as indented JSON text."""
        return self.model_dump_json(indent=2) + "\n"


class Histogram(Value):
    """Counts between edges; the last bin is closed on the right."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    by_prediction: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """The same of each predicted class, where it is asked for and there are two."""


class JointHistogram(Value):
    """Counts of two numbers at once, between edges; the last bins are closed on the right."""

    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    """One row for each bin of x, in it one count for each bin of y."""
    by_prediction: dict[str, tuple[tuple[int, ...], ...]] = Field(default_factory=dict)
    """The same of each predicted class, where there are two."""


class Distribution(Value):
    """One number over the examples for which it is defined."""

    n: int
    mean: float | None
    sd: float | None
    interval: Interval | None
    """Of the mean; None for fewer than 2 examples."""
    minimum: float | None
    maximum: float | None
    q05: float | None = None
    """5 % of the examples are below; the others alike."""
    q25: float | None = None
    median: float | None = None
    q75: float | None = None
    q95: float | None = None
    histogram: Histogram | None = None

    @property
    def estimate(self) -> float | None:
        """The number that it is about."""
        return self.mean

    @property
    def quantiles(self) -> tuple[float, ...] | None:
        """The five of them, the median in the middle; None without examples."""
        found = (self.q05, self.q25, self.median, self.q75, self.q95)
        known = tuple(value for value in found if value is not None)
        return known if len(known) == len(found) else None


class CountedShare(Value):
    """How many examples of those that could are so."""

    count: int
    n: int
    share: float | None
    """None where n is 0."""
    interval: Interval | None

    @property
    def estimate(self) -> float | None:
        """The number that it is about."""
        return self.share


class ShareWithin(CountedShare):
    """The same within a part of the examples."""

    name: str


class Share(CountedShare):
    """How many examples are so, and how many of parts of them, as far as the metric asks for it."""

    by_prediction: tuple[ShareWithin, ...] = ()
    by_confidence: tuple[ShareWithin, ...] = ()


class Group(Value):
    """The distribution of a number within a part of the examples."""

    name: str
    distribution: Distribution


class GroupedDistribution(Distribution):
    """The same, and within parts of the examples, as far as the metric asks for it."""

    by_max_attention: tuple[Group, ...] = ()
    """By largest attention weight."""
    by_prediction: tuple[Group, ...] = ()
    by_length: tuple[Group, ...] = ()
    by_confidence: tuple[Group, ...] = ()
    """By the probability of what is predicted, of several labels the mean over the audited."""
    joint: JointHistogram | None = None
    """Examples by another number (x) and this one (y)."""


class Number(Value):
    """A number over all examples together."""

    value: int | float
    n: int | None
    """Examples behind it; None where it is not a number over examples."""
    interval: Interval | None

    @property
    def estimate(self) -> float:
        """The number that it is about."""
        return float(self.value)


Summary = GroupedDistribution | Share | Number
"""What a report holds of a metric."""


class SiteMean(Value):
    """The mean of one number at one site, over the examples for which it is defined."""

    n: int
    mean: float | None
    interval: Interval | None
    """Of the mean; None for fewer than 2 examples."""


class SiteSummary(Value):
    """What was found at one layer and head."""

    layer: int
    head: int | None
    """None: all heads, averaged."""
    means: dict[str, SiteMean]
    """By the name of the field of the sites' records."""


class Degenerate(Value):
    """How many examples a check says nothing, or less, about, and why."""

    check: str
    status: str
    meaning: str
    n: int
