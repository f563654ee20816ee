"""Kendall's taus and their p-values, computed again from the lists in the same records."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64

from attn_audit.checks.correlation import MIN_TESTABLE_UNITS, ranks_of
from attn_audit.findings.correlation.pairs import Pair, pairs
from attn_audit.findings.example import UNITS
from attn_audit.findings.tolerance import DERIVED
from attn_audit.results.record import Record
from attn_audit.statistics.kendall import kendall_tau_of_ranks
from attn_audit.verification.tally import Tally


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
