"""The metrics that a policy may bound."""

from collections.abc import Iterable
from itertools import groupby
from math import isfinite

from attn_audit.formats.document import Bullets, Definitions, Document, Phrase, Section, Tone
from attn_audit.results.metrics import STATISTICS, Metric

BESIDE_MEAN = tuple(f".{name}" for name in STATISTICS if name != "mean")

NOTES = (
    f"Where a name ends in .mean, it may also end in {', '.join(BESIDE_MEAN)}.",
    "Of numbers marked with * bounds are judged on the 95% interval over examples, of others on "
    "the number itself.",
)


def document(metrics: Iterable[Metric]) -> Document:
    """Every metric with its range and definition, check by check.

    What stands beside the mean of every distribution is said once.
    """
    sections = tuple(
        Section(check, check.capitalize(), (Definitions(tuple(map(_entry, shown))),))
        for check, of_check in groupby(metrics, key=lambda metric: metric.check)
        if (shown := [m for m in of_check if not m.name.endswith(BESIDE_MEAN)])
    )
    notes = Section("notes", "How to read them", (Bullets.of(NOTES),))
    subject = "by the names that bounds are written with"
    return Document("Metrics", "What a policy may bound", subject, (*sections, notes))


def _entry(metric: Metric) -> tuple[Phrase, str]:
    mark = " *" if metric.has_interval else ""
    return Phrase(f"{metric.name}{mark}", Tone.CODE), f"{metric.definition} ({_range(metric)})"


def _range(metric: Metric) -> str:
    if isfinite(metric.high):
        return f"{metric.unit}, {metric.low:.3g} to {metric.high:.3g}"
    return f"{metric.unit}, from {metric.low:.3g}"
