"""What follows from the records alone, computed again: taus, p-values and the summaries."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float64, Int

from attn_audit.checks.correlation import MIN_TESTABLE_UNITS
from attn_audit.checks.ties import ranks_of
from attn_audit.engine.batch import Found
from attn_audit.engine.recorder import RecordsPaths
from attn_audit.engine.report import sum_up
from attn_audit.errors import RecordsError
from attn_audit.findings.correlation.pairs import Pair, pairs
from attn_audit.findings.example import ID, UNITS
from attn_audit.findings.tolerance import DERIVED, SUMMARY
from attn_audit.results.report import Report, Subject
from attn_audit.results.table import Row, schemas
from attn_audit.statistics.kendall import kendall_tau_of_ranks
from attn_audit.verification.numbers import Tally


def summed_up(
    report: Report, records: Iterable[pa.Table], site_records: Iterable[pa.Table]
) -> Report:
    """The report that these records give.

    Raises:
        RecordsError: They hold what no audit writes.
    """
    subject = Subject.of(report)
    nothing = schemas(subject.n_logits, subject.is_multilabel)[0].empty_table()
    found = chain(map(Found, records), (Found(nothing, some) for some in site_records))
    try:
        return sum_up(subject, found, RecordsPaths(None, None), records_file=report.records_file)
    except (pa.ArrowException, ValueError, TypeError, LookupError, ArithmeticError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecordsError(f"these records cannot be summed up: {problem}") from None


def compare_summaries(stored: Report, found: Report) -> Tally:
    """Every value of two reports, one by one."""
    tally = Tally("summary", "every value", SUMMARY.limit, SUMMARY.reason)
    ours, theirs = found.model_dump(mode="json"), stored.model_dump(mode="json")
    for path, one, other in values_of("", theirs | {"run": None}, ours):
        if is_number(one) and is_number(other):
            size = max(abs(one), abs(other), 1e-12)
            tally.compare(None, path, one, other, abs(one - other) / size)
        else:
            tally.require(None, path, one, other, one == other)
    return tally


def is_number(value: object) -> bool:
    """Whether a value has a size."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def values_of(path: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Values at the same place; where the places themselves differ, what stands there."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from values_of(f"{path}.{key}".lstrip("."), one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from values_of(f"{path}[{i}]", first, second)
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

    def check(self, records: pa.Table) -> None:
        """Compare what can be ranked: examples whose lists are as long as their text."""
        n_units = np.array(pc.list_value_length(records[UNITS.name]))
        for pair in pairs():
            tables = [_table(records[name], n_units) for name in (pair.first, pair.second)]
            ranked = np.flatnonzero(np.isfinite(tables).all(axis=(0, 2)) & (n_units > 0))
            if len(ranked) == 0:
                continue
            lengths = n_units[ranked]
            first, second = (
                ranks_of(name, table[ranked], lengths, self._dtype)
                for name, table in zip((pair.first, pair.second), tables, strict=True)
            )
            found = kendall_tau_of_ranks(first, second, lengths)
            stored = records.select([ID.name, UNITS.name, pair.tau.name, pair.p_value.name])
            for i, record in enumerate(stored.take(ranked).to_pylist()):
                self._compare(record, pair, float(found.tau[i]), float(found.p_value[i]))

    def _compare(self, record: Row, pair: Pair, tau: float, p_value: float) -> None:
        id_, n_units = record[ID.name], len(record[UNITS.name])
        stored_tau, stored_p = record[pair.tau.name], record[pair.p_value.name]
        if stored_tau is None:  # attention without mass ranks nothing, whatever its list says
            return
        self._taus.compare(id_, pair.tau.name, stored_tau, tau, abs(stored_tau - tau))
        if stored_p is not None or n_units >= MIN_TESTABLE_UNITS:
            deviation = float("nan") if stored_p is None else abs(stored_p - p_value)
            self._taus.compare(id_, pair.p_value.name, stored_p, p_value, deviation)


def _table(
    column: pa.ChunkedArray, n_units: Int[np.ndarray, " example"]
) -> Float64[np.ndarray, "example unit"]:
    """Lists as rows, then zeros; NaN where there are not as many finite values as units."""
    column = column.combine_chunks()
    lengths = pc.list_value_length(column).fill_null(-1).to_numpy()
    fits = lengths == n_units
    table = np.where(fits, 0.0, np.nan)[:, None].repeat(max(n_units, default=0), axis=1)
    values = column.flatten().cast(pa.float64()).fill_null(np.nan).to_numpy()
    whole = np.repeat(fits, np.maximum(lengths, 0))
    table[fits[:, None] & (np.arange(table.shape[1]) < n_units[:, None])] = values[whole]
    return table
