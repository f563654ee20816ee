"""The few examples that a report shows: chosen in one pass, with bounded memory."""

from functools import partial
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_audit.findings.example import ID, N_UNITS
from attn_audit.findings.field import Kind, Shape
from attn_audit.findings.registry import record_fields, telling
from attn_audit.randomness import example_keys
from attn_audit.results.table import Row, numbers

PER_REASON = 8
MIN_UNITS, MAX_UNITS = 5, 40
"""Examples worth looking at: long enough to show a pattern, short enough to read."""

N_SAMPLED = 150
MAX_SAMPLED_UNITS = 500
"""Longer texts are left out: a few of them would be all that there is room for."""

MAX_UNITS_TOGETHER = 6000
"""Of all examples of the sample: what bounds the report's size whatever the lengths are."""

SIGNIFICANT_DIGITS = 6
"""Of weights: what a picture of them needs. Records files hold all digits."""

_KEY = "key"


class First:
    """The records of the lowest keys, equal ones by id: the same in whatever order they come."""

    def __init__(self, n: int) -> None:
        """Keep none yet, and at most so many."""
        self._n, self._kept = n, list[pa.Table]()

    def offer(self, records: pa.Table, keys: np.ndarray) -> None:
        """Consider more records."""
        every = pa.concat_tables([*self._kept, records.append_column(_KEY, pa.array(keys))])
        order = pc.sort_indices(every, sort_keys=[(_KEY, "ascending"), (ID.name, "ascending")])
        self._kept = [every.take(order[: self._n])]

    def rows(self) -> list[Row]:
        """Those that are kept; without the weights of single rows, which are many."""
        shown = [field.name for field in record_fields() if field.is_shown]
        return [row for kept in self._kept for row in kept.select(shown).to_pylist()]


class TellingExamples:
    """The most telling examples seen so far."""

    def __init__(self) -> None:
        self._best = {reason: First(PER_REASON) for reason in telling()}

    def offer(self, records: pa.Table) -> None:
        """Consider more records."""
        n_units = numbers(records, N_UNITS)
        readable = records.filter((n_units >= MIN_UNITS) & (n_units <= MAX_UNITS))
        for reason, of in telling().items():
            scores = of.score(partial(numbers, readable))
            known = ~np.isnan(scores)
            self._best[reason].offer(readable.filter(known), -scores[known])

    def chosen(self) -> list[tuple[str, Row]]:
        """Reason and record, the most telling of each reason first."""
        return [(reason, row) for reason, best in self._best.items() for row in best.rows()]


class SampledExamples:
    """Examples drawn at random: a function of their ids and the seed."""

    def __init__(self, seed: int) -> None:
        """Args: seed: Of the draw."""
        self._seed, self._drawn = seed, First(N_SAMPLED)

    def offer(self, records: pa.Table) -> None:
        """Consider more records."""
        short = records.filter(numbers(records, N_UNITS) <= MAX_SAMPLED_UNITS)
        self._drawn.offer(short, example_keys(self._seed, short[ID.name].to_pylist(), "sample"))

    def chosen(self) -> list[Row]:
        """The first of the draw, as many as there is room for, with rounded weights."""
        rows = self._drawn.rows()
        together = accumulate(row[N_UNITS.name] for row in rows)
        return [
            _rounded(row)
            for row, n_units in zip(rows, together, strict=True)
            if n_units <= MAX_UNITS_TOGETHER
        ]


def _rounded(row: Row) -> Row:
    weights = {
        field.name: [float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in row[field.name]]
        for field in record_fields()
        if field.shape is Shape.UNITS and field.kind is Kind.NUMBER
        if row[field.name] is not None
    }
    return {**row, **weights}
