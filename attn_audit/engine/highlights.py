"""Choosing a few examples that show something, in one pass with bounded memory."""

from collections.abc import Iterable

from attn_audit.findings.example import N_UNITS
from attn_audit.findings.registry import telling
from attn_audit.results.record import Record

PER_REASON = 8
MIN_UNITS, MAX_UNITS = 5, 40
"""Examples worth looking at: long enough to show a pattern, short enough to read."""


class TellingExamples:
    """The most telling examples seen so far; the same for every order of the data."""

    def __init__(self) -> None:
        self._best: dict[str, list[tuple[float, str, Record]]] = {
            reason: [] for reason in telling()
        }

    def offer(self, records: Iterable[Record]) -> None:
        """Consider more records."""
        readable = [r for r in records if MIN_UNITS <= r[N_UNITS] <= MAX_UNITS]
        for name, of in telling().items():
            scored = [(of.score(record), record) for record in readable]
            entries = [(-value, record.id, record) for value, record in scored if value is not None]
            ranked = sorted([*self._best[name], *entries], key=lambda entry: entry[:2])
            self._best[name] = ranked[:PER_REASON]

    def chosen(self) -> list[tuple[str, Record]]:
        """Reason and record, the most telling of each reason first."""
        return [(name, entry[2]) for name, entries in self._best.items() for entry in entries]
