"""Mosaic: of two texts in one, does what is shown lie on the one whose label is predicted?

A control: no answer and no recommendation reads it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from attn_audit.document import Hue, Points, Table
from attn_audit.findings import tolerance
from attn_audit.findings.check import (
    NOT_MEASURED,
    NOTHING_IN_SHORT,
    NOTHING_TO_SAY,
    CheckFindings,
    Record,
)
from attn_audit.findings.example import NOT_RUN, status_field
from attn_audit.findings.field import SAME, SHARE, Field, Kind, Range
from attn_audit.findings.measure import MEASURES, NOT_ASKED, Measure
from attn_audit.findings.metric import MeanMetric, Metric, ShareMetric
from attn_audit.findings.rule import Outcome, held, left_open
from attn_audit.numbers import counted, mean, mean_percent, number, share

if TYPE_CHECKING:
    from attn_audit.results.report import Report
    from attn_audit.results.table import Examples, Values

POSITIONS = ("first", "second")
"""Where the text stands whose label is predicted."""

NOT_JOINED = (
    f"{NOT_RUN}, the text is not in its sample or was joined with none, or no text of the label "
    "that is predicted stands there"
)


def _field(name: str, definition: str, null: str) -> Field[float | None]:
    return Field(
        f"mosaic.{name}", definition, range=SHARE, null=null, claim="mosaics",
        tolerance=tolerance.ORDERED,
    )  # fmt: skip


LENGTH = {
    position: _field(
        f"length.{position}",
        f"Share of the units of a joined text that are of the one whose label is predicted, where "
        f"that stands {position}",
        NOT_JOINED,
    )
    for position in POSITIONS
}


@dataclass(frozen=True, eq=False)
class Focus:
    """Where attention lies on joined texts, or the scores of a measure."""

    name: str
    words: str
    measures: tuple[str, ...] = ()
    """Names of those without which it is not there."""

    @cached_property
    def fields(self) -> Mapping[str, Field[float | None]]:
        """Of the records, by position."""
        return {
            position: _field(
                f"{self.name}.{position}",
                f"Share of all scores above 0 of {self.words} that lies on the one of two joined "
                f"texts whose label is predicted, where that stands {position}",
                f"{NOT_JOINED}; or no score is above 0, or {NOT_ASKED}",
            )
            for position in POSITIONS
        }

    @cached_property
    def means(self) -> Mapping[str, MeanMetric]:
        """Of the report, by position."""
        return {
            position: MeanMetric.over(field, measures=self.measures, is_optional=True)
            for position, field in self.fields.items()
        }

    @cached_property
    def gap(self) -> MeanMetric:
        """By how much it is more than its length would have."""

        def values(examples: "Examples") -> "Values":
            return _over_positions([own - length for own, length in self._known(examples)])

        return MeanMetric(
            f"mosaic.{self.name}.gap",
            f"Share of all scores above 0 of {self.words} on the joined text whose label is "
            "predicted, less its share of the units, over both positions",
            range=Range("share", -1.0, 1.0), values=values, measures=self.measures,
            is_optional=True,
        )  # fmt: skip

    @cached_property
    def undefined(self) -> ShareMetric:
        """Where it lies nowhere."""

        def values(examples: "Examples") -> "Values":
            import numpy as np

            known = self._known(examples)
            none = [np.where(np.isnan(length), np.nan, np.isnan(own)) for own, length in known]
            return _over_positions(none)

        return ShareMetric(
            f"mosaic.{self.name}.undefined",
            f"Joined texts on which no score of {self.words} is above 0",
            values=values, measures=self.measures,
        )  # fmt: skip

    def _known(self, examples: "Examples") -> "Iterator[tuple[Values, Values]]":
        for position, field in self.fields.items():
            yield examples.numbers(field), examples.numbers(LENGTH[position])

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of the report."""
        return (*self.means.values(), self.gap, self.undefined)


def _over_positions(values: "list[Values]") -> "Values":
    """The mean of those that there are."""
    import numpy as np

    table = np.stack(values)
    known = ~np.isnan(table)
    total = np.where(known, table, 0).sum(axis=0)
    found: Values = np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
    return found


ATTENTION = Focus("attention", "attention")


@cache
def focus_of(measure: Measure) -> Focus:
    """Where a measure's scores lie."""
    return Focus(measure.name, measure.words, (measure.name,))


def _known() -> tuple[Focus, ...]:
    """Attention and every measure that a model has the scores of: those of data are of one text."""
    return (ATTENTION, *(focus_of(measure) for measure in MEASURES if measure.shown is None))


PARTNER = Field[str | None](
    "mosaic.partner", "Id of the text that it was joined with, both ways round",
    kind=Kind.TEXT, null=f"{NOT_RUN}, or it was joined with none", claim=SAME,
)  # fmt: skip
STATUS = status_field("mosaic")

FIELDS: tuple[Field[object], ...] = (
    *(field for focus in _known() for field in focus.fields.values()), *LENGTH.values(), PARTNER,
    STATUS,
)  # fmt: skip
LENGTHS = tuple(map(MeanMetric.over, LENGTH.values()))
METRICS: tuple[Metric, ...] = (
    *(metric for focus in _known() for metric in focus.metrics),
    *LENGTHS,
)


def _measured(report: "Report") -> list[Focus]:
    found = ((focus, report.get(focus.gap)) for focus in _known())
    return [focus for focus, gap in found if gap is not None and gap.mean is not None]


def _tables(report: "Report") -> tuple[Table, ...]:
    def row(focus: Focus) -> tuple[str, ...]:
        means = (report.get(focus.means[position]) for position in POSITIONS)
        return (
            focus.words,
            *("-" if found is None else mean_percent(found) for found in means),
            mean(report[focus.gap]),
            share(report[focus.undefined]),
        )

    if not (measured := _measured(report)):
        return ()
    lengths = (mean_percent(report[metric]) for metric in LENGTHS)
    columns = ("scores above 0 of", "where it is first", "second", "above its length", "nowhere")
    rows = (*map(row, measured), ("share of the units", *lengths, "-", "-"))
    return (Table(columns, rows, "On the text whose label is predicted"),)


def _points(report: "Report") -> Points | None:
    found = [(focus.words, report[focus.gap]) for focus in _measured(report)]
    rows = tuple((words, gap.mean or 0.0, gap.interval, Hue.OTHER) for words, gap in found)
    said = "Share on the text whose label is predicted, less its share of the units"
    return Points(rows, (-1.0, 1.0), ("-1", "1"), said) if rows else None


def _verdict(report: "Report") -> str:
    """Whether attention lies there more than its length says."""
    gap = report.get(ATTENTION.gap)
    if gap is None or gap.mean is None:
        return NOT_MEASURED
    if held("min", 0.0, gap) is Outcome.PASS:
        return "Yes: more than its length would have."
    if held("max", 0.0, gap) is Outcome.PASS:
        return "No: less than its length would have."
    return left_open("mosaic", report, gap.n, f"{mean(gap)} more than its length")


def _in_short(report: "Report") -> tuple[str, ...]:
    found = tuple(f"{focus.words}: {mean(report[focus.gap])}" for focus in _measured(report))
    return found or (NOTHING_IN_SHORT,)


def _line(record: Record) -> str | None:
    found = [
        f"{number(own)} where that stands {position} ({number(length)} of the units)"
        for position, field in ATTENTION.fields.items()
        if (own := record.get(field.name)) is not None
        and (length := record.get(LENGTH[position].name)) is not None
    ]
    if not found:
        return None
    joined = f"joined with {record.get(PARTNER.name)}, attention on the text of the label"
    return f"{joined} that is predicted: {', '.join(found)}"


def _answer(report: "Report") -> tuple[str, ...]:
    gap = report.get(ATTENTION.gap)
    if gap is None or gap.mean is None:
        return (NOTHING_TO_SAY,)
    return (
        f"{counted(gap.n, 'text')} were joined, both ways round, with one of another label; of "
        "each alone the model is sure. Where the joined text is given the label of one of the two, "
        f"the share of attention on that one less its share of the units is {mean(gap)}.",
    )


FINDINGS = CheckFindings(
    "mosaic", "Mosaics",
    "Of two texts of different labels joined into one, does attention lie on the one whose label "
    "is predicted?", FIELDS, METRICS,
    verdict=_verdict, in_short=_in_short, answer=_answer, line=_line, tables=_tables,
    picture=_points, is_default=False,
    caveat="A joined text is none that people write, and what decides it may lie anywhere: this is "
    "a control, which no answer and no recommendation reads.",
    auditable=lambda model: (
        "no: it takes single texts of one label each"
        if model.takes_pairs or model.task == "multilabel"
        else "yes, on a sample of the texts"
    ),
)  # fmt: skip
