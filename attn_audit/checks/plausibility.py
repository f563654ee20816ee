"""Plausibility: does a ranking begin with the units that people marked as the reason?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool

from attn_audit.checks.base import (
    AuditedBatch,
    Columns,
    columns_of,
    join_statuses,
)
from attn_audit.checks.ties import ranks_of
from attn_audit.data.spans import overlap
from attn_audit.findings import plausibility as fields
from attn_audit.findings.example import Status
from attn_audit.findings.measure import measure
from attn_audit.findings.plausibility import ATTENTION, RANDOM, Marking, marking_of
from attn_audit.models.contract import EncodedExample
from attn_audit.statistics.rankings import Agreement, agreement, expected_agreement


@dataclass(frozen=True)
class Plausibility:
    """How well attention and measures agree with people, text by text.

    A unit is marked if it has a character of a marked span of its own text. Measures rank by their
    scores: what speaks most for the prediction comes first.
    """

    id: ClassVar[str] = "plausibility"

    measures: tuple[str, ...]
    """Which importance measures to compute."""

    def passes(self, n_units: int) -> int:
        """None beside those of its measures."""
        return 0

    def run(self, audited: AuditedBatch) -> Columns:
        """What each ranking of the units has in common with what people marked."""
        marked = [marked_units(item) for item in audited.batch.encoded]
        found = [_by_chance(units) for units in marked]
        reasons: list[list[str]] = [[] for _ in found]
        if any(found):
            for marking, ranks, is_ranked, status in self._rankings(audited):
                for i, units in enumerate(marked):
                    if found[i] and is_ranked[i]:
                        found[i] |= _columns(marking, agreement(ranks[i, : len(units)], units))
                    elif found[i]:
                        reasons[i].append(status)
        for i, numbers in enumerate(found):
            alone = Status.SINGLE_UNIT if len(marked[i]) == 1 else Status.NO_RATIONALE
            numbers[fields.STATUS.name] = join_statuses(reasons[i]) if numbers else alone
        return columns_of(found)

    def _rankings(
        self, audited: AuditedBatch
    ) -> "list[tuple[Marking, np.ndarray, np.ndarray, str]]":
        """Ranks by each, which texts are ranked, and the status of the others."""
        lengths, dtype = audited.lengths, audited.model.dtype
        found = []
        if audited.has_attention:
            attention = ranks_of("attention", audited.explanation.cpu().numpy(), lengths, dtype)
            found.append((ATTENTION, attention, audited.has_mass, str(Status.NO_AUDITED_MASS)))
        for name in self.measures:
            scores = audited.importances.scores(name).cpu().numpy()
            is_ranked = ~np.isnan(scores).any(axis=1)
            ranks = ranks_of(name, np.where(is_ranked[:, None], scores, 0), lengths, dtype)
            of = measure(name)
            found.append((marking_of(of), ranks, is_ranked, of.status_undefined))
        return found


def marked_units(item: EncodedExample) -> Bool[np.ndarray, " unit"]:
    """Which units of a text have something that people marked."""
    spans = {False: item.example.rationale, True: item.example.rationale_pair}
    return np.array(
        [
            any(overlap((unit.start, unit.end), span) for span in spans[unit.is_second])
            for unit in item.units
        ]
    )


def _by_chance(marked: Bool[np.ndarray, " unit"]) -> dict[str, object]:
    """What is known without any ranking; nothing where there is nothing to agree with."""
    n_units, n_marked = len(marked), int(marked.sum())
    if n_units == 1 or not n_marked:
        return {}
    return _columns(RANDOM, expected_agreement(n_units, n_marked))


def _columns(marking: Marking, found: Agreement) -> dict[str, object]:
    return {field.name: getattr(found, name) for name, field in marking.fields.items()}
