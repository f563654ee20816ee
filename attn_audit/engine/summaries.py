"""From the records of all examples to the numbers of a report, by group and by site too."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
import pyarrow as pa

from attn_audit.findings import example as fields
from attn_audit.findings.metric import (
    UNIT_EDGES,
    ExampleMetric,
    MeanMetric,
    Metric,
    ShareMetric,
    TotalMetric,
)
from attn_audit.findings.registry import metrics, site_fields, status_meanings
from attn_audit.results.table import Examples, Members, Values, numbers
from attn_audit.statistics import intervals, summary

ATTENTION_BINS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the largest attention weight, as the paper bins it."""

LENGTH_EDGES = (0.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
"""Of the histogram of lengths; longer texts count in the last bin."""

LENGTH_BINS = ((1, 4), (5, 9), (10, 19), (20, 49), (50, 99), (100, 199), (200, None))
"""Numbers of units, both ends included."""

CONFIDENCE_BINS = (0.0, 0.8, 0.95, 0.99, 1.0)
"""Of the probability of what is predicted."""


class Grouping:
    """How examples are grouped, read from the records once."""

    def __init__(self, examples: Examples, resamples: intervals.Resamples) -> None:
        """All numbers share the resamples."""
        self.examples, self.resamples = examples, resamples
        n_units = examples.numbers(fields.N_UNITS)
        self.members: dict[str, list[tuple[str, Members]]] = {
            "max_attention": _binned(examples.numbers(fields.MAX_ATTENTION), ATTENTION_BINS),
            "prediction": self._predictions(),
            "length": [
                (
                    f"{low} to {high}" if high else f"{low} or more",
                    (n_units >= low) & (n_units <= (high or np.inf)),
                )
                for low, high in LENGTH_BINS
            ],
            "confidence": _binned(examples.confidence, CONFIDENCE_BINS),
        }
        """Name of each grouping; of each of its groups, the name and which examples are in it."""

    def _predictions(self) -> list[tuple[str, Members]]:
        labels, chosen = self.examples.labels, self.examples.answers(fields.PREDICTION)
        if not self.examples.is_multilabel:
            return [(name, chosen == i) for i, name in enumerate(labels)]
        groups = [(name, chosen[:, i]) for i, name in enumerate(labels)]
        return [*groups, ("(none)", np.logical_not(chosen.any(axis=1)))]

    @cached_property
    def two_classes(self) -> list[tuple[str, Members]]:
        """The predicted classes, where just two are; else none."""
        found = [(name, inside) for name, inside in self.members["prediction"] if inside.any()]
        return found if len(found) == 2 and not self.examples.is_multilabel else []

    def groups(
        self, values: Values, grouping: str, edges: Sequence[float] | None = None
    ) -> tuple[summary.Group, ...]:
        """The distribution of a number within each group of a grouping that has examples."""
        classes = self.two_classes if grouping == "max_attention" else []
        return tuple(
            summary.Group(
                name=name,
                distribution=intervals.distribution_of(
                    values[inside],
                    self.resamples,
                    edges,
                    {name: of_it[inside] for name, of_it in classes},
                ),
            )
            for name, inside in self.members[grouping]
            if bool(inside.any())
        )


def _binned(values: Values, edges: Sequence[float]) -> list[tuple[str, Members]]:
    """Bins by name, closed on the left; the last is closed on the right as well."""
    return [
        (
            f"{low:.2f} to {high:.2f}",
            (values >= low) & (values <= high if high == edges[-1] else values < high),
        )
        for low, high in itertools.pairwise(edges)
    ]


def joint_histogram(
    x: Values, y: Values, x_edges: Sequence[float], y_edges: Sequence[float]
) -> summary.JointHistogram:
    """How many examples lie where by two numbers at once, of those that have both.

    Beyond the borders, the nearest bin counts.
    """
    known = ~(np.isnan(x) | np.isnan(y))
    x, y = np.clip(x[known], x_edges[0], x_edges[-1]), np.clip(y[known], y_edges[0], y_edges[-1])
    counts, _, _ = np.histogram2d(x, y, bins=(np.array(x_edges), np.array(y_edges)))
    rows = tuple(tuple(row) for row in counts.astype(int).tolist())
    return summary.JointHistogram(x_edges=tuple(x_edges), y_edges=tuple(y_edges), counts=rows)


def share_of(count: int, n: int) -> summary.Share:
    """A share with its Wilson interval."""
    share = count / n if n else None
    return summary.Share(
        count=count, n=n, share=share, interval=intervals.wilson_interval(count, n)
    )


def summarise(
    grouping: Grouping, checks: Sequence[str], measures: Sequence[str]
) -> dict[str, summary.Summary]:
    """Every metric of what was measured, by name."""
    has_labels = bool(grouping.examples.is_labelled.any())
    found = {
        metric.name: _summary(metric, grouping)
        for metric in metrics()
        if metric.check in (*checks, "data", "performance")
        and (metric.is_optional or set(metric.measures) <= set(measures))
        and (has_labels or not metric.needs_labels)
    }
    return {name: of for name, of in found.items() if of is not None}


def _summary(metric: Metric, grouping: Grouping) -> summary.Summary | None:
    """None where the number is not defined, or left out because no example has it."""
    if isinstance(metric, TotalMetric):
        value, n, interval = metric.number(grouping.examples, grouping.resamples)
        return None if value is None else summary.Number(value=value, n=n, interval=interval)
    assert isinstance(metric, ExampleMetric)
    values = metric.of(grouping.examples)
    if metric.is_optional and np.isnan(values).all():
        return None
    if isinstance(metric, MeanMetric):
        return _distribution(metric, values, grouping)
    assert isinstance(metric, ShareMetric)
    found = _share(values)
    within = {f"by_{name}": _within(values, grouping.members[name]) for name in metric.groupings}
    return found.model_copy(update=within) if found.n else found


def _within(
    values: Values, members: Sequence[tuple[str, Members]]
) -> tuple[summary.ShareWithin, ...]:
    """The share within each group that has examples."""
    parts = ((name, _share(values[inside])) for name, inside in members)
    return tuple(
        summary.ShareWithin(
            name=name, **part.model_dump(exclude={"by_prediction", "by_confidence"})
        )
        for name, part in parts
        if part.n
    )


def _share(values: Values) -> summary.Share:
    """Of values between 0 and 1 too, which are means over equal units or several labels.

    Wilson's interval is of the nearest count, and wide enough: nothing varies more than 0 and 1.
    """
    counted = values[~np.isnan(values)]
    total, n = float(counted.sum()), len(counted)
    found = share_of(round(total), n)
    return found if not n else found.model_copy(update={"share": total / n})


def _distribution(
    metric: MeanMetric, values: Values, grouping: Grouping
) -> summary.GroupedDistribution:
    groups = {
        f"by_{name}": grouping.groups(values, name, edges) for name, edges in metric.groups.items()
    }
    joint = None
    if metric.joint is not None and metric.edges is not None:
        other = grouping.examples.numbers(metric.joint)
        joint = joint_histogram(other, values, UNIT_EDGES, metric.edges)
        of_classes = {
            name: joint_histogram(other[inside], values[inside], UNIT_EDGES, metric.edges).counts
            for name, inside in grouping.two_classes
        }
        joint = joint.model_copy(update={"by_prediction": of_classes})
    whole = intervals.distribution_of(values, grouping.resamples, metric.edges)
    return summary.GroupedDistribution(**dict(whole), **groups, joint=joint)


MEANING = "the model failed at the example: see the records for the reason"


def count_degenerate(
    examples: Examples, checks: Sequence[str], n_failed: int
) -> tuple[summary.Degenerate, ...]:
    """How many examples each check is untestable or undefined for, by reason."""
    found = []
    for check in checks:
        if n_failed:
            found.append(
                summary.Degenerate(check=check, status=fields.FAILED, meaning=MEANING, n=n_failed)
            )
        reasons: Counter[str] = Counter()
        for statuses, n in examples.counts(fields.status_field(check)).items():
            reasons.update(dict.fromkeys(statuses.split("+"), n))
        found += [
            summary.Degenerate(check=check, status=status, meaning=meaning, n=reasons[status])
            for status, meaning in status_meanings().items()
            if status not in (fields.Status.MEASURED, fields.Status.NOT_SAMPLED) and reasons[status]
        ]
    return tuple(found)


Place = tuple[int, int | None]
"""Layer and head."""


@dataclass(slots=True)
class _Sums:
    """What the mean of numbers and its interval need, of as many numbers as there may be."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def add(self, values: Values) -> None:
        self.n += len(values)
        self.total += float(values.sum())
        self.squares += float((values**2).sum())
        self.low = float(values.min(initial=self.low))
        self.high = float(values.max(initial=self.high))

    def mean(self) -> summary.SiteMean:
        if self.n == 0:
            return summary.SiteMean(n=0, mean=None, interval=None)
        centre = self.total / self.n
        if self.n == 1:
            return summary.SiteMean(n=1, mean=centre, interval=None)
        spread = sqrt(max(0.0, self.squares - self.n * centre**2) / (self.n - 1))
        interval = intervals.normal_interval(centre, spread, self.n, (self.low, self.high))
        return summary.SiteMean(n=self.n, mean=centre, interval=interval)


class SiteMeans:
    """The mean of every number at every site, with a normal 95 % interval over the examples."""

    def __init__(self) -> None:
        self._fields = [field for field in site_fields() if field.is_averaged]
        self._sums: dict[Place, dict[str, _Sums]] = {}

    def add(self, records: pa.Table) -> None:
        """Count more records in; sites are reported in the order in which they first come."""
        values = {field.name: numbers(records, field) for field in self._fields}
        layers, heads = (
            records[fields.LAYER.name].to_pylist(),
            records[fields.HEAD.name].to_pylist(),
        )
        by_place: dict[Place, list[int]] = defaultdict(list)
        for i, place in enumerate(zip(layers, heads, strict=True)):
            by_place[place].append(i)
        for place, rows in by_place.items():
            sums = self._sums.setdefault(place, {field.name: _Sums() for field in self._fields})
            for name, of_field in sums.items():
                found = values[name][rows]
                of_field.add(found[~np.isnan(found)])

    def summaries(self) -> tuple[summary.SiteSummary, ...]:
        """One for each site; numbers that no site has are left out."""
        measured = {name for of in self._sums.values() for name, sums in of.items() if sums.n > 0}
        return tuple(
            summary.SiteSummary(
                layer=layer,
                head=head,
                means={name: of.mean() for name, of in sums.items() if name in measured},
            )
            for (layer, head), sums in self._sums.items()
        )
