"""How examples are grouped, and what is said of a number within each group."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64

from attn_audit.findings.example import MAX_ATTENTION, N_UNITS, PREDICTION
from attn_audit.results.examples import Examples, Members, Values
from attn_audit.statistics import intervals
from attn_audit.statistics.intervals import mean_interval, wilson_interval
from attn_audit.statistics.moments import describe, histogram
from attn_audit.statistics.resamples import Resamples
from attn_audit.summary import (
    Distribution,
    Group,
    Histogram,
    Interval,
    JointHistogram,
    Share,
)

ATTENTION_BINS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the largest attention weight, as the paper bins it."""

LENGTH_EDGES = (0.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
"""Of the histogram of lengths; longer texts count in the last bin."""

LENGTH_BINS = ((1, 4), (5, 9), (10, 19), (20, 49), (50, 99), (100, 199), (200, None))
"""Numbers of units, both ends included."""


@dataclass
class Grouping:
    """How examples are grouped, read from the records once."""

    examples: Examples
    resamples: Resamples
    """Shared by all numbers."""
    members: dict[str, list[tuple[str, Members]]] = field(init=False)
    """Name of each grouping; of each of its groups, the name and which examples are in it."""

    def __post_init__(self) -> None:
        n_units = self.examples.numbers(N_UNITS)
        largest = self.examples.numbers(MAX_ATTENTION)
        bins = itertools.pairwise(ATTENTION_BINS)
        self.members = {
            "max_attention": [
                (f"{low:.2f} to {high:.2f}", _between(largest, low, high)) for low, high in bins
            ],
            "prediction": self._predictions(),
            "length": [
                (_range_name(low, high), (n_units >= low) & (n_units <= (high or np.inf)))
                for low, high in LENGTH_BINS
            ],
        }

    def _predictions(self) -> list[tuple[str, Members]]:
        labels, chosen = self.examples.labels, self.examples.answers(PREDICTION)
        if not self.examples.is_multilabel:
            return [(name, chosen == i) for i, name in enumerate(labels)]
        groups = [(name, chosen[:, i]) for i, name in enumerate(labels)]
        return [*groups, ("(none)", np.logical_not(chosen.any(axis=1)))]

    def groups(
        self, values: Values, grouping: str, edges: Sequence[float] | None = None
    ) -> tuple[Group, ...]:
        """The distribution of a number within each group of a grouping that has examples."""
        return tuple(
            Group(name=name, distribution=self.distribution(values[inside], edges))
            for name, inside in self.members[grouping]
            if bool(inside.any())
        )

    def distribution(self, values: Values, edges: Sequence[float] | None = None) -> Distribution:
        """Moments, quantiles and interval of the values that are not NaN."""
        defined = values[~np.isnan(values)]
        found = describe(defined)
        if found is None:
            return Distribution(n=0, **dict.fromkeys(("mean", "sd", "interval", *_PARTS)))
        interval = mean_interval(defined, self.resamples)
        return Distribution(
            n=found.n,
            mean=found.mean,
            sd=found.sd,
            interval=stored(interval),
            **dict(
                zip(_PARTS, (found.minimum, *found.quantiles.values(), found.maximum), strict=True)
            ),
            histogram=None if edges is None else _histogram(defined, edges),
        )


_PARTS = ("minimum", "q05", "q25", "median", "q75", "q95", "maximum")


def stored(interval: intervals.Interval | None) -> Interval | None:
    """An interval as reports hold it."""
    return None if interval is None else Interval(**interval._asdict())


def _between(values: Values, low: float, high: float) -> Members:
    """Values in a bin closed on the left; the last is closed on the right as well."""
    is_last = high == ATTENTION_BINS[-1]
    inside: Members = (values >= low) & ((values <= high) if is_last else (values < high))
    return inside


def _range_name(low: int, high: int | None) -> str:
    return f"{low} to {high}" if high is not None else f"{low} or more"


def _histogram(values: Values, edges: Sequence[float]) -> Histogram:
    counts = histogram(values, np.array(edges))
    return Histogram(edges=tuple(edges), counts=tuple(counts.tolist()))


def joint_histogram(
    x: Values, y: Values, x_edges: Sequence[float], y_edges: Sequence[float]
) -> JointHistogram:
    """How many examples lie where, by two numbers at once.

    Args:
        x: A number for each example; NaN where it is not defined.
        y: Another; examples that lack one of them are left out.
        x_edges: Borders of the bins of x; beyond, the nearest bin counts.
        y_edges: The same of y.
    """
    known = ~(np.isnan(x) | np.isnan(y))
    counts = np.zeros((len(x_edges) - 1, len(y_edges) - 1), dtype=np.int64)
    np.add.at(counts, (_bin_of(x[known], x_edges), _bin_of(y[known], y_edges)), 1)
    rows = tuple(tuple(row) for row in counts.tolist())
    return JointHistogram(x_edges=tuple(x_edges), y_edges=tuple(y_edges), counts=rows)


def _bin_of(values: Values, edges: Sequence[float]) -> Int64[np.ndarray, " example"]:
    """Bins are closed on the left, the last on the right as well."""
    found = np.searchsorted(np.array(edges), values, side="right") - 1
    return np.clip(found, 0, len(edges) - 2)


def share_of(count: int, n: int) -> Share:
    """A share with its Wilson interval."""
    interval = wilson_interval(count, n)
    return Share(
        count=count,
        n=n,
        share=count / n if n else None,
        interval=stored(interval),
    )
