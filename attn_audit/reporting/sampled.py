"""A random sample of examples to look through, in one pass with bounded memory."""

from collections.abc import Iterable
from heapq import nsmallest

from attn_audit.findings.example import N_UNITS
from attn_audit.findings.field import Kind, Shape
from attn_audit.findings.registry import record_fields
from attn_audit.randomness import example_keys
from attn_audit.results.record import Record

N_EXAMPLES = 150
MAX_UNITS = 500
"""Longer texts are left out: a few of them would be all that there is room for."""

MAX_UNITS_TOGETHER = 6000
"""Of all examples of the sample: what bounds the report's size whatever the lengths are."""

SIGNIFICANT_DIGITS = 6
"""Of weights: what a picture of them needs. Records files hold all digits."""


class SampledExamples:
    """Examples drawn at random: a function of their ids and the seed, whatever their order."""

    def __init__(self, seed: int) -> None:
        """Args: seed: Of the draw."""
        self._seed = seed
        self._kept: list[tuple[int, str, Record]] = []

    def offer(self, records: Iterable[Record]) -> None:
        """Consider more records."""
        short = [record for record in records if record[N_UNITS] <= MAX_UNITS]
        keys = example_keys(self._seed, [record.id for record in short], "sample").tolist()
        drawn = [(key, record.id, record) for key, record in zip(keys, short, strict=True)]
        self._kept = nsmallest(N_EXAMPLES, [*self._kept, *drawn], key=lambda entry: entry[:2])

    def chosen(self) -> list[Record]:
        """The first of the draw, as many as there is room for, with rounded weights."""
        found, n_units = [], 0
        for _, _, record in self._kept:
            n_units += record[N_UNITS]
            if n_units > MAX_UNITS_TOGETHER:
                break
            found.append(_rounded(record))
        return found


def _rounded(record: Record) -> Record:
    rounded = {
        field.name: tuple(float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in values)
        for field in record_fields()
        if field.shape is Shape.UNITS and field.kind is Kind.NUMBER
        if (values := record.values.get(field.name)) is not None
    }
    return Record({**record.values, **rounded})
