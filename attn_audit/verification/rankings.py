"""Kendall's taus and their p-values, computed again from the lists in the same records."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64

from attn_audit.checks.correlation import MIN_TESTABLE_UNITS, PAIRS, ranks_of
from attn_audit.results.record import Record
from attn_audit.statistics.kendall import kendall_tau
from attn_audit.verification.tally import Tally
from attn_audit.verification.tolerances import DERIVED


class Rankings:
    """Every tau and p-value, against the rankings that the record itself holds."""

    def __init__(self, dtype: str) -> None:
        """Nothing is compared yet.

        Args:
            dtype: That the model computed in, as its report has it.
        """
        self._dtype = getattr(torch, dtype)
        self._taus = Tally("records", "taus and p-values", DERIVED.limit, DERIVED.reason)

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """What was found so far."""
        return (self._taus,)

    def check(self, records: Sequence[Record]) -> None:
        """Compare what can be ranked: examples whose lists are as long as their text.

        Args:
            records: Of one audit.
        """
        for first, second in PAIRS:
            ranked = [r for r in records if _has(r, first) and _has(r, second)]
            if not ranked:
                continue
            lengths = np.array([len(record.units) for record in ranked])
            ranks, others = (
                ranks_of(name, _table(ranked, name), lengths, self._dtype)
                for name in (first, second)
            )
            result = kendall_tau(ranks, others, lengths)
            for i, record in enumerate(ranked):
                self._compare(record, f"{first}_{second}", result.tau[i], result.p_value[i])

    def _compare(self, record: Record, pair: str, tau: float, p_value: float) -> None:
        stored_tau = getattr(record, f"tau_{pair}")
        if stored_tau is None:  # attention without mass ranks nothing, whatever its list says
            return
        self._taus.compare(
            record.id, f"tau_{pair}", stored_tau, float(tau), abs(stored_tau - float(tau))
        )
        stored_p = getattr(record, f"p_{pair}")
        if stored_p is not None or len(record.units) >= MIN_TESTABLE_UNITS:
            found = float(p_value)
            deviation = float("nan") if stored_p is None else abs(stored_p - found)
            self._taus.compare(record.id, f"p_{pair}", stored_p, found, deviation)


def _has(record: Record, name: str) -> bool:
    """Whether there are values to rank, one for each unit and none of them NaN or infinite."""
    values = getattr(record, name)
    is_whole = values is not None and 0 < len(values) == len(record.units)
    return is_whole and bool(np.isfinite(values).all())


def _table(records: Sequence[Record], name: str) -> Float64[np.ndarray, "batch unit"]:
    table = np.zeros((len(records), max(len(record.units) for record in records)))
    for row, record in zip(table, records, strict=True):
        row[: len(record.units)] = getattr(record, name)
    return table
