"""All checks, measures, fields and metrics there are, and those that are added from outside."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from attn_audit.errors import ConfigurationError
from attn_audit.findings import (
    adversarial,
    attended,
    correlation,
    correlation_pairs,
    decision_flip,
    erasure,
    example,
    mosaic,
    performance,
    permutation,
    plausibility,
    replacement,
)
from attn_audit.findings.check import CheckFindings, TellingCriterion
from attn_audit.findings.example import STATUS_MEANINGS, status_field
from attn_audit.findings.field import Field, Shape
from attn_audit.findings.measure import MEASURES, Measure, shown_measure
from attn_audit.findings.metric import Metric, Statistic, former_names, statistics_of

_CHECKS: list[CheckFindings] = [
    correlation.FINDINGS, attended.FINDINGS, permutation.FINDINGS, adversarial.FINDINGS,
    replacement.FINDINGS, decision_flip.FINDINGS, erasure.FINDINGS,
    plausibility.FINDINGS, mosaic.FINDINGS,
]  # fmt: skip
_FIELDS: list[Field[object]] = [
    *example.FIELDS,
    *(measure.field for measure in MEASURES),
    *(field for check in _CHECKS for field in check.fields),
]
_METRICS: list[Metric] = [
    *performance.METRICS,
    *(metric for check in _CHECKS for metric in check.metrics),
]

Row = Field[object] | Metric | Measure | CheckFindings

_ADDED: list[Row] = []
"""What came from outside, in order."""

_State = tuple[
    list[CheckFindings], list[Field[object]], list[Metric], list[Measure], list[Row]
]  # fmt: skip


def _state() -> _State:
    return list(_CHECKS), list(_FIELDS), list(_METRICS), list(MEASURES), list(_ADDED)


_PACKAGED = _state()


def _restore(state: _State) -> None:
    _CHECKS[:], _FIELDS[:], _METRICS[:], MEASURES[:], _ADDED[:] = state
    _forget()


def add(*rows: Row) -> None:
    """Add what is found out by code from outside, for as long as the process lasts.

    Raises:
        ValueError: A name is taken, or a check has no status; nothing is added then.
    """
    before = _state()
    try:
        _extend(*rows)
    except ValueError:
        _restore(before)
        raise
    _ADDED.extend(rows)
    if rows:
        _forget()


def remove(*rows: Row) -> None:
    """Take back what was added from outside."""
    others = [row for row in _ADDED if not any(row is each for each in rows)]
    _restore(_PACKAGED)
    add(*others)


def _extend(*rows: Row) -> None:
    for row in rows:
        match row:
            case Field():
                _require_free(row.name, {field.name for field in _FIELDS})
                _FIELDS.append(row)
            case Metric():
                _require_free(row.name, {metric.name for metric in _METRICS})
                _METRICS.append(row)
                checks_in_order = list(dict.fromkeys(metric.check for metric in _METRICS))
                _METRICS.sort(key=lambda metric: checks_in_order.index(metric.check))
            case Measure():
                pair = correlation_pairs.with_attention(row)
                _extend(row.field, pair.tau, pair.p_value, *correlation_pairs.metrics_of(pair))
                found = (
                    plausibility.marking_of(row),
                    *((mosaic.focus_of(row),) if row.shown is None else ()),
                    *(() if row.is_of_correlation else erasure.rankings_of(row)),
                )
                for of_it in found:
                    _extend(*of_it.fields.values(), *of_it.metrics)
                MEASURES.append(row)
            case CheckFindings():
                _require_free(row.check, {check.check for check in _CHECKS})
                if status_field(row.check).name not in {field.name for field in row.fields}:
                    raise ValueError(f"the fields of {row.check!r} lack its status_field")
                _extend(*row.fields, *row.metrics)
                _CHECKS.append(row)


def add_shown(fields: Iterable[str]) -> None:
    """Judge scores that come with the data, too, until the process ends; each field once.

    Raises:
        ConfigurationError: Two fields, or what is found of them, have one name.
    """
    known = {measure.shown for measure in MEASURES}
    for field in dict.fromkeys(fields):
        if field not in known:
            try:
                add(shown_measure(field))
            except ValueError as error:
                hint = "Rename the field."
                raise ConfigurationError(f"--shown {field}: {error}", hint=hint) from None


def register_metric(metric: Metric) -> None:
    """Sum up a number of one's own, too, until the process ends.

    Raises:
        ValueError: There is a metric of that name already.
    """
    add(metric)


def _require_free(name: str, taken: set[str]) -> None:
    if name in taken:
        raise ValueError(
            f"there is a {name!r} already: give another name, or start Python again where an "
            "earlier try is in the way"
        )


@contextmanager
def added(*rows: Row) -> Iterator[None]:
    """The same for as long as the context lasts.

    Raises:
        ValueError: As `add`.
    """
    before = _state()
    try:
        add(*rows)
        yield
    finally:
        if before != _state():
            _restore(before)


@contextmanager
def as_of(names: Collection[str]) -> Iterator[None]:
    """Within: of what came from outside only what is among the names of columns and metrics.

    What was registered after an audit is not in its records.
    """
    with added():
        if later := [row for row in _ADDED if _name_in_records(row) not in names]:
            remove(*later)
        yield


def _name_in_records(row: Row) -> str:
    return status_field(row.check).name if isinstance(row, CheckFindings) else row.name


def checks() -> tuple[CheckFindings, ...]:
    """In the order in which they are reported."""
    return tuple(_CHECKS)


def usual_checks(*, of_decoders: bool = False) -> tuple[str, ...]:
    """Those that are run where none is named."""
    return tuple(
        c.check for c in _CHECKS if c.is_default or (of_decoders and c.is_default_of_decoders)
    )


def findings_of(check: str) -> CheckFindings:
    """Those of a check, by its id."""
    return next(found for found in _CHECKS if found.check == check)


def telling() -> dict[str, TellingCriterion]:
    """Why examples are shown, by reason: what is least expected first."""
    return {each.reason: each for check in reversed(_CHECKS) for each in check.telling}


def measures() -> tuple[Measure, ...]:
    """That attention is compared with, in the order in which they are reported."""
    return tuple(MEASURES)


def status_meanings() -> dict[str, str]:
    """Why a check says nothing of an example, or less: statuses and what they mean, in order."""
    constant = {m.status: f"{m.constant}: it ranks nothing" for m in MEASURES}
    undefined = {m.status_undefined: m.meaning_of_undefined for m in MEASURES}
    return {**STATUS_MEANINGS, **constant, **undefined}


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
