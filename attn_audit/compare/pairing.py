"""The same examples in two sets of records, found by id."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from attn_audit.compare.records import require_unique_ids
from attn_audit.errors import ComparisonRefusedError
from attn_audit.findings.example import ID
from attn_audit.findings.metric import Averaged
from attn_audit.results.examples import Examples, Values

MAX_UNITS = 40
"""Units of a text that are quoted."""


@dataclass(frozen=True)
class Pairs:
    """Two reports' records, example beside example, in the order of the base."""

    base: Examples
    new: Examples
    ids: list[str]
    places: Int64[np.ndarray, " example"]
    """Where each example of the base stands in the new records."""

    def values(self, metric: Averaged) -> tuple[Values, Values]:
        """A metric's values in both, example beside example."""
        return metric.of(self.base), metric.of(self.new)[self.places]

    def text(self, index: int) -> str | None:
        """The units of an example; None where the records hold none."""
        units = self.base.units(index)
        if units is None:
            return None
        more = " ..." if len(units) > MAX_UNITS else ""
        return " ".join(units[:MAX_UNITS]) + more


def pair(base: tuple[Path, Examples], new: tuple[Path, Examples]) -> Pairs:
    """Match the examples of two reports by id.

    Raises:
        ComparisonRefusedError: An id stands twice in one of them, or in one of them only.
    """
    base_ids, new_ids = (examples.strings(ID) for _, examples in (base, new))
    for ids, (path, _) in ((base_ids, base), (new_ids, new)):
        require_unique_ids(ids, path)
    alone = set(base_ids) ^ set(new_ids)
    if alone:
        raise ComparisonRefusedError(
            f"the reports are of different data: {len(alone):,} examples stand in one of them only "
            f"(id {min(alone)!r})",
            hint="Audit both models on the same data, or compare the summaries alone with "
            "`--allow-different-data`.",
        )
    place = {name: i for i, name in enumerate(new_ids)}
    places = np.array([place[name] for name in base_ids], dtype=np.int64)
    return Pairs(base[1], new[1], base_ids, places)
