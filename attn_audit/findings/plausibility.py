"""Plausibility: does a ranking begin with the units that people marked as the reason?

Agreement with people, and no evidence of what the model does: it stands apart from all other
numbers, and no answer or recommendation reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from attn_audit.document import Sketch, Table
from attn_audit.findings import tolerance
from attn_audit.findings.check import NOT_MEASURED, CheckFindings, Record
from attn_audit.findings.example import NOT_RUN, status_field
from attn_audit.findings.field import SHARE, Field, Range
from attn_audit.findings.measure import MEASURES, NOT_ASKED, Measure
from attn_audit.findings.metric import UNIT_EDGES, MeanMetric, Metric
from attn_audit.findings.rule import Outcome, held, left_open
from attn_audit.numbers import counted, mean, number

if TYPE_CHECKING:
    from attn_audit.results.report import Report
    from attn_audit.results.table import Examples, Values

AUPRC, TOKEN_F1, IOU = "auprc", "token_f1", "iou"

NUMBERS: Mapping[str, str] = {
    AUPRC: "Average precision (AUPRC) of {ranking} for the units that people marked",
    TOKEN_F1: "Token F1 between the units that people marked and as many, the first by {ranking}",
    IOU: "Intersection over union of the units that people marked and as many, the first by "
    "{ranking}",
}
"""By what stands behind the ranking's name, with `{ranking}` in it."""

NULL = f"{NOT_RUN}, people marked nothing of the text, it has one unit, or {NOT_ASKED}"


@dataclass(frozen=True, eq=False)
class Marking:
    """What is known of the agreement of one ranking with people."""

    name: str
    words: str
    measures: tuple[str, ...] = ()
    """Names of those without which it is not there."""

    @cached_property
    def fields(self) -> Mapping[str, Field[float | None]]:
        """Of the records."""
        return {
            suffix: Field(
                f"plausibility.{self.name}.{suffix}", said.format(ranking=self.words), range=SHARE,
                null=NULL, claim="plausibility", tolerance=tolerance.ORDERED,
            )
            for suffix, said in NUMBERS.items()
        }  # fmt: skip

    @cached_property
    def means(self) -> Mapping[str, MeanMetric]:
        """Of the report: the mean of each of its fields."""
        edges = {AUPRC: UNIT_EDGES}
        asked = bool(self.measures)
        return {
            suffix: MeanMetric.over(
                field, edges.get(suffix), measures=self.measures, is_optional=asked
            )
            for suffix, field in self.fields.items()
        }

    @cached_property
    def gap(self) -> MeanMetric:
        """By how much it is above random orders of the same texts."""

        def values(examples: "Examples") -> "Values":
            own, random = (examples.numbers(m.fields[AUPRC]) for m in (self, RANDOM))
            gap: Values = own - random
            return gap

        return MeanMetric(
            f"plausibility.{self.name}.gap",
            f"Average precision of {self.words} less that of random orders, text by text",
            range=Range("average precision", -1.0, 1.0), values=values,
            measures=self.measures, is_optional=bool(self.measures),
        )  # fmt: skip

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of the report."""
        return (*self.means.values(), *(() if self is RANDOM else (self.gap,)))


ATTENTION = Marking("attention", "attention")
RANDOM = Marking("random", "random orders (what is to be expected of them)")


@cache
def marking_of(measure: Measure) -> Marking:
    """By the measure's scores, what speaks most for the prediction first."""
    return Marking(measure.name, measure.words, (measure.name,))


def _markings() -> tuple[Marking, ...]:
    return (ATTENTION, *map(marking_of, MEASURES), RANDOM)


STATUS = status_field("plausibility")
FIELDS: tuple[Field[object], ...] = (*(f for m in _markings() for f in m.fields.values()), STATUS)
METRICS: tuple[Metric, ...] = tuple(metric for m in _markings() for metric in m.metrics)

QUESTION = "Does attention point at the words that people marked as the reason?"
APART = (
    "This is agreement with people, not faithfulness: whether the model uses what people marked is "
    "another question. No answer and no recommendation reads it, and it is added to nothing."
)


def _table(report: "Report") -> Table:
    def row(marking: Marking) -> tuple[str, ...]:
        gap = None if marking is RANDOM else report.get(marking.gap)
        numbers = (report.get(metric) for metric in marking.means.values())
        return (
            "random, expected" if marking is RANDOM else marking.words,
            *("-" if found is None else mean(found) for found in numbers),
            "-" if gap is None else mean(gap),
        )

    columns = ("by", "AUPRC", "token F1", "IOU", "AUPRC above random")
    return Table(columns, tuple(map(row, [*_known(report), RANDOM])), "By ranking")


def _known(report: "Report") -> list[Marking]:
    """Those that ranked the units of some text, attention first."""
    found = ((marking, report.get(marking.gap)) for marking in _markings() if marking is not RANDOM)
    return [marking for marking, gap in found if gap is not None and gap.n]


def _leading(report: "Report") -> Marking:
    """Attention, or without any the first ranking that there is."""
    return next(iter(_known(report)), ATTENTION)


def _verdict(report: "Report") -> str:
    """Whether attention agrees with people more than chance does."""
    gap = report[_leading(report).gap]
    if gap.mean is None:
        return NOT_MEASURED
    if held("min", 0.0, gap) is Outcome.PASS:
        return "More than random order does: that is agreement with people, not faithfulness."
    if held("max", 0.0, gap) is Outcome.PASS:
        return "No more than random order does."
    said = f"{number(gap.mean)} above random order"
    return left_open("plausibility", report, gap.n, said)


def _in_short(report: "Report") -> tuple[str, ...]:
    found = (*_known(report), RANDOM)
    if found[0] is ATTENTION:
        found = (ATTENTION, RANDOM)
    return tuple(f"{m.name}: AUPRC {mean(report[m.means[AUPRC]])}" for m in found)


def _line(record: Record) -> str | None:
    own, random = (record.get(m.fields[TOKEN_F1].name) for m in (ATTENTION, RANDOM))
    if own is None or random is None:
        return None
    return (
        f"of the words that people marked, the most attended ones are {number(own)} (token F1; "
        f"random ones {number(random)})"
    )


def _answer(report: "Report") -> tuple[str, ...]:
    leading = _leading(report)
    own, random = (report[m.means[AUPRC]] for m in (leading, RANDOM))
    texts = counted(report[leading.gap].n, "text")
    return (
        f"Of {texts} with a rationale, the order of {leading.words} finds the "
        f"words that people marked with an average precision of {mean(own)}; {mean(random)} is to "
        "be expected of random orders. A word is marked where it has a character of a marked span; "
        "of pairs, of its own text's spans.",
    )


FINDINGS = CheckFindings(
    "plausibility", "Plausibility", QUESTION, FIELDS, METRICS,
    verdict=_verdict, in_short=_in_short, answer=_answer, line=_line,
    is_measured=lambda report: bool(_known(report)), tables=lambda report: (_table(report),),
    picture=lambda report: Sketch(
        report[_leading(report).means[AUPRC]], ("0: the others first", "1: all marked first"),
        "AUPRC",
    ),
    question_without_attention=QUESTION.replace("attention point", "any measure point"),
    caveat=APART, is_default=False, needs_attention=False,
    auditable=lambda model: "yes, texts that have a rationale",
)  # fmt: skip
