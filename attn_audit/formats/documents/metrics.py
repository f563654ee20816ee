"""The metrics that a policy may bound, and the fields of the records."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite

from attn_audit.document import Bullets, Definitions, Document, Phrase, Section, Tone
from attn_audit.findings.field import Field, Kind, Range, Shape
from attn_audit.findings.metric import BESIDE_MEAN, MeanMetric, Statistic

NOTES = (
    "The bare name of a number of examples is its mean over them. Where a metric is marked with "
    f"~, its name may also end in {', '.join(f'.{suffix}' for suffix in BESIDE_MEAN)}.",
    "Of numbers marked with * bounds are judged on the 95% interval over examples, of others on "
    "the number itself.",
)


@dataclass(frozen=True)
class Dictionary:
    """Everything that has a name: in reports and policies, and in records."""

    statistics: Sequence[Statistic]
    fields: Sequence[Field[object]]

    def as_dict(self) -> dict[str, list[dict[str, str | float | bool | None]]]:
        """As programs read it."""
        return {
            "metrics": [statistic.as_dict() for statistic in self.statistics],
            "fields": [field.as_dict() for field in self.fields],
        }


def document(found: Dictionary) -> Document:
    """Every metric with its range and definition, check by check, then the records' fields.

    What stands beside the mean of every distribution is said once.
    """
    sections = tuple(
        Section(check, check.capitalize(), (Definitions(tuple(map(_entry, of_check))),))
        for check, of_check in groupby(
            (statistic for statistic in found.statistics if not statistic.suffix),
            key=lambda statistic: statistic.check,
        )
    )
    notes = Section("notes", "How to read them", (Bullets.of(NOTES),))
    fields = Definitions(tuple(map(_field, found.fields)))
    records = Section("records", "Fields of the records", (fields,))
    subject = "by the names that policies, reports and records have them by"
    return Document("Metrics", "What a policy may bound", subject, (*sections, notes, records))


def _entry(statistic: Statistic) -> tuple[Phrase, str]:
    marks = "~" * isinstance(statistic.metric, MeanMetric) + "*" * statistic.has_interval
    said = f"{statistic.metric.definition}. ({_range(statistic)})"
    return Phrase(f"{statistic.name} {marks}".rstrip(), Tone.CODE), said


def _range(statistic: Statistic) -> str:
    return _written(statistic.metric.range)


def _written(range: Range) -> str:
    ends = f"{range.low:.3g} to {range.high:.3g}" if isfinite(range.high) else f"from {range.low:g}"
    return f"{range.unit}, {ends}"


def _field(field: Field[object]) -> tuple[Phrase, str]:
    range = field.range
    kind = _written(range) if field.kind is Kind.NUMBER and range.unit else field.kind.value
    values = "" if field.shape is Shape.ONE else f", {field.shape.value}"
    of_examples, of_sites = field.place.value
    where = ("; of each site too" if of_examples else "; of sites alone") if of_sites else ""
    null = f" Null: {field.null}." if field.null else ""
    return Phrase(field.name, Tone.CODE), f"{field.definition}. ({kind}{values}{where}){null}"
