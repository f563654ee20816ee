"""Means at every layer and head, added up as the records come: memory does not grow with them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from attn_audit.findings.example import HEAD, LAYER
from attn_audit.findings.field import Field
from attn_audit.findings.registry import site_fields
from attn_audit.results.record import Record
from attn_audit.statistics.intervals import normal_interval
from attn_audit.summary import SiteMean, SiteSummary

Place = tuple[int, int | None]
"""Layer and head."""


@dataclass(slots=True)
class _Sums:
    """What the mean of numbers and its interval need, of as many numbers as there may be."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def add(self, values: Sequence[float]) -> None:
        if not values:
            return
        numbers = np.array(values)
        self.n += len(numbers)
        self.total += float(numbers.sum())
        self.squares += float((numbers**2).sum())
        self.low = min(self.low, float(numbers.min()))
        self.high = max(self.high, float(numbers.max()))

    def mean(self) -> SiteMean:
        if self.n == 0:
            return SiteMean(n=0, mean=None, interval=None)
        centre = self.total / self.n
        if self.n == 1:
            return SiteMean(n=1, mean=centre, interval=None)
        spread = sqrt(max(0.0, self.squares - self.n * centre**2) / (self.n - 1))
        interval = normal_interval(centre, spread, self.n, (self.low, self.high))
        return SiteMean(n=self.n, mean=centre, interval=interval)


class SiteMeans:
    """The mean of every number at every site, with a normal 95 % interval over the examples."""

    def __init__(self) -> None:
        self._fields: list[Field[object]] = [f for f in site_fields() if f.is_averaged]
        self._sums: dict[Place, dict[str, _Sums]] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Count more records in; sites are reported in the order in which they first come."""
        by_place: dict[Place, list[Record]] = defaultdict(list)
        for record in records:
            by_place[record[LAYER], record[HEAD]].append(record)
        for place, found in by_place.items():
            sums = self._sums.setdefault(place, {field.name: _Sums() for field in self._fields})
            for name, of_field in sums.items():
                values = (record.values.get(name) for record in found)
                of_field.add([value for value in values if value is not None])

    def summaries(self) -> tuple[SiteSummary, ...]:
        """One for each site; numbers that no site has are left out."""
        measured = {name for of in self._sums.values() for name, sums in of.items() if sums.n > 0}
        return tuple(
            SiteSummary(
                layer=layer,
                head=head,
                means={name: of.mean() for name, of in sums.items() if name in measured},
            )
            for (layer, head), sums in self._sums.items()
        )
