"""Choosing a few examples that show something, in one pass with bounded memory."""

from collections.abc import Callable, Iterable

from attn_audit.findings import adversarial, permutation
from attn_audit.findings.correlation.pairs import with_attention
from attn_audit.findings.example import MAX_ATTENTION, N_UNITS
from attn_audit.findings.registry import measures
from attn_audit.results.record import Record

PER_REASON = 8
MIN_UNITS, MAX_UNITS = 5, 40
"""Examples worth looking at: long enough to show a pattern, short enough to read."""

Score = Callable[[Record], float | None]


def _adversarial(record: Record) -> float | None:
    """The output stays, attention is peaked, and still it can be moved elsewhere."""
    jsd, largest = record[adversarial.MAX_JSD_FIELD], record[MAX_ATTENTION]
    return None if jsd is None or largest is None else jsd * largest


def _insensitive(record: Record) -> float | None:
    """Attention is peaked, and shuffling it changes nothing."""
    distance, jsd = record[permutation.DISTANCE_FIELD], record[permutation.JSD_FIELD]
    return None if distance is None or jsd is None else jsd - distance


def _mean_tau(record: Record) -> float | None:
    taus = [record[with_attention(measure).tau] for measure in measures()]
    known = [tau for tau in taus if tau is not None]
    return sum(known) / len(known) if known else None


def _disagreeing(record: Record) -> float | None:
    tau = _mean_tau(record)
    return None if tau is None else -tau


REASONS: dict[str, Score] = {
    "adversarial": _adversarial,
    "insensitive": _insensitive,
    "disagreeing": _disagreeing,
    "agreeing": _mean_tau,
}
"""Why an example is telling, and how much so."""


class TellingExamples:
    """The most telling examples seen so far; the same for every order of the data."""

    def __init__(self) -> None:
        self._best: dict[str, list[tuple[float, str, Record]]] = {name: [] for name in REASONS}

    def offer(self, records: Iterable[Record]) -> None:
        """Consider more records."""
        readable = [r for r in records if MIN_UNITS <= r[N_UNITS] <= MAX_UNITS]
        for name, score in REASONS.items():
            scored = [(score(record), record) for record in readable]
            entries = [(-value, record.id, record) for value, record in scored if value is not None]
            ranked = sorted([*self._best[name], *entries], key=lambda entry: entry[:2])
            self._best[name] = ranked[:PER_REASON]

    def chosen(self) -> list[tuple[str, Record]]:
        """Reason and record, the most telling of each reason first."""
        return [(name, entry[2]) for name, entries in self._best.items() for entry in entries]
