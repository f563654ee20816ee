"""What follows from the records alone, computed again: taus, p-values and the summaries."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float64

from attn_audit.checks.correlation import MIN_TESTABLE_UNITS
from attn_audit.checks.ties import ranks_of
from attn_audit.engine.recorder import RecordsPaths
from attn_audit.engine.report import sum_up
from attn_audit.errors import RecordsError
from attn_audit.findings.correlation.pairs import Pair, pairs
from attn_audit.findings.example import UNITS
from attn_audit.findings.tolerance import DERIVED, SUMMARY
from attn_audit.results.record import Record
from attn_audit.results.report import Report, Subject
from attn_audit.statistics.kendall import kendall_tau_of_ranks
from attn_audit.verification.numbers import Tally


def summed_up(
    report: Report,
    records: Iterable[Sequence[Record]],
    site_records: Iterable[Sequence[Record]],
) -> Report:
    """The report that these records give.

    Raises:
        RecordsError: They hold what no audit writes.
    """
    found = chain(
        ((some, ()) for some in records),
        (((), some) for some in site_records),
    )
    try:
        return sum_up(
            Subject.of(report), found, RecordsPaths(None, None), records_file=report.records_file
        )
    except (pa.ArrowException, ValueError, TypeError, LookupError, ArithmeticError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecordsError(f"these records cannot be summed up: {problem}") from None


def compare_summaries(stored: Report, found: Report) -> Tally:
    """Every value of two reports, one by one."""
    tally = Tally("summary", "every value", SUMMARY.limit, SUMMARY.reason)
    ours, theirs = found.model_dump(mode="json"), stored.model_dump(mode="json")
    for path, one, other in _pairs("", theirs | {"run": None}, ours):
        if _is_number(one) and _is_number(other):
            size = max(abs(one), abs(other), 1e-12)
            tally.compare(None, path, one, other, abs(one - other) / size)
        else:
            tally.require(None, path, one, other, one == other)
    return tally


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pairs(path: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Values at the same place; where the places themselves differ, what stands there."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from _pairs(f"{path}.{key}".lstrip("."), one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _pairs(f"{path}[{i}]", first, second)
    else:
        yield path, one, other


class Rankings:
    """Every tau and p-value, against the rankings that the record itself holds."""

    def __init__(self, dtype: str) -> None:
        """Nothing is compared yet."""
        self._dtype = getattr(torch, dtype)
        self._taus = Tally("records", "taus and p-values", DERIVED.limit, DERIVED.reason)

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """What was found so far."""
        return (self._taus,)

    def check(self, records: Sequence[Record]) -> None:
        """Compare what can be ranked: examples whose lists are as long as their text."""
        for pair in pairs():
            first, second = pair.first, pair.second
            ranked = [r for r in records if _has(r, first) and _has(r, second)]
            if not ranked:
                continue
            lengths = np.array([len(record[UNITS]) for record in ranked])
            ranks, others = (
                ranks_of(name, _table(ranked, name), lengths, self._dtype)
                for name in (first, second)
            )
            result = kendall_tau_of_ranks(ranks, others, lengths)
            for i, record in enumerate(ranked):
                self._compare(record, pair, result.tau[i], result.p_value[i])

    def _compare(self, record: Record, pair: Pair, tau: float, p_value: float) -> None:
        stored_tau, stored_p = record[pair.tau], record[pair.p_value]
        if stored_tau is None:  # attention without mass ranks nothing, whatever its list says
            return
        found, deviation = float(tau), abs(stored_tau - float(tau))
        self._taus.compare(record.id, pair.tau.name, stored_tau, found, deviation)
        if stored_p is not None or len(record[UNITS]) >= MIN_TESTABLE_UNITS:
            found = float(p_value)
            deviation = float("nan") if stored_p is None else abs(stored_p - found)
            self._taus.compare(record.id, pair.p_value.name, stored_p, found, deviation)


def _has(record: Record, name: str) -> bool:
    """Whether there are values to rank, one for each unit and none of them NaN or infinite."""
    values = record.values.get(name)
    if values is None or not 0 < len(values) == len(record[UNITS]):
        return False
    return bool(np.isfinite(values).all())


def _table(records: Sequence[Record], name: str) -> Float64[np.ndarray, "batch unit"]:
    table = np.zeros((len(records), max(len(record[UNITS]) for record in records)))
    for row, record in zip(table, records, strict=True):
        row[: len(record[UNITS])] = record.values[name]
    return table
