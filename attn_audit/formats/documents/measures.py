"""What attention is compared with: every measure, what it costs and what it needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from attn_audit.document import Definitions, Document, Phrase, Section, Tone
from attn_audit.findings.measure import Measure


@dataclass(frozen=True)
class Measures:
    """All that there are."""

    measures: Sequence[Measure]

    def as_dict(self) -> dict[str, list[dict[str, str | bool | int | None]]]:
        """As programs read it."""
        return {"measures": [measure.as_dict() for measure in self.measures]}


def document(found: Measures) -> Document:
    """Each with its definition."""
    entries = tuple((Phrase(m.name, Tone.CODE), _said(m)) for m in found.measures)
    return Document(
        kind="Measures",
        title="What attention is compared with",
        subject="by the names that --measures takes",
        sections=(Section("measures", "Measures", (Definitions(entries),)),),
    )


def _said(measure: Measure) -> str:
    cost, more = measure.passes(1), measure.passes(20)
    passes = f"{more} pass{'' if more == 1 else 'es'}{'' if cost == more else ' for 20 units'}"
    passes += " once it is fitted" * measure.is_fitted
    parts = [passes, "signed" if measure.is_signed else "without a sign"]
    parts += [f"needs {measure.needs}"] if measure.needs else []
    parts += ["for correlation alone"] if measure.is_of_correlation else []
    parts += [measure.source] if measure.source else []
    return f"{measure.field.definition}. ({'; '.join(parts)})"
