"""All fields and metrics there are, and those that are added from outside."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from attn_audit.findings import adversarial, correlation, example, performance, permutation
from attn_audit.findings.field import Field, Shape
from attn_audit.findings.metric import Metric, Statistic, former_names, statistics_of

_FIELDS: list[Field[object]] = [
    *example.FIELDS,
    *correlation.FIELDS,
    *permutation.FIELDS,
    *adversarial.FIELDS,
]
_METRICS: list[Metric] = [
    *performance.METRICS,
    *correlation.METRICS,
    *permutation.METRICS,
    *adversarial.METRICS,
]


@contextmanager
def added(*rows: Field[object] | Metric) -> Iterator[None]:
    """Fields and metrics of a check from outside, for as long as the context lasts.

    Raises:
        ValueError: A name is taken.
    """
    before = list(_FIELDS), list(_METRICS)
    try:
        for row in rows:
            taken = _FIELDS if isinstance(row, Field) else _METRICS
            if row.name in {other.name for other in taken}:
                raise ValueError(f"there is a {row.name!r} already")
            if isinstance(row, Field):
                _FIELDS.append(row)
            else:
                _METRICS.append(row)
        _forget()
        yield
    finally:
        _FIELDS[:], _METRICS[:] = before
        _forget()


@cache
def record_fields() -> tuple[Field[object], ...]:
    """Every column of a records file, in order; those with one value a unit come last."""
    ours = [field for field in _FIELDS if field.place.value[0]]
    return tuple(sorted(ours, key=lambda field: field.shape is not Shape.ONE))


@cache
def site_fields() -> tuple[Field[object], ...]:
    """Every column of a site records file, in order."""
    return tuple(field for field in _FIELDS if field.place.value[1])


def all_fields() -> tuple[Field[object], ...]:
    """Of both kinds of records."""
    return tuple(_FIELDS)


def metrics() -> tuple[Metric, ...]:
    """Everything that a report may hold, check by check."""
    return tuple(_METRICS)


@cache
def statistics() -> Mapping[str, Statistic]:
    """Everything that a policy may bound, by name."""
    return {found.name: found for metric in _METRICS for found in statistics_of(metric)}


@cache
def renamed() -> Mapping[str, str]:
    """Names of fields and metrics that were others before, with what they are called now."""
    fields = {field.formerly: field.name for field in _FIELDS if field.formerly}
    return fields | {old: new for metric in _METRICS for old, new in former_names(metric)}


def _forget() -> None:
    for derived in (record_fields, site_fields, statistics, renamed):
        derived.cache_clear()
