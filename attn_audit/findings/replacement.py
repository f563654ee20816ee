"""Replacement: what becomes of the output where attention is replaced at several sites together?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from attn_audit.document import Sketch, Table
from attn_audit.findings import tolerance
from attn_audit.findings.check import NOT_MEASURED, CheckFindings, Record
from attn_audit.findings.example import NOT_RUN, Label, status_field
from attn_audit.findings.field import OUTPUT_DISTANCE, SAME, SHARE, Field, Kind
from attn_audit.findings.metric import UNIT_EDGES, MeanMetric, Metric, ShareMetric
from attn_audit.findings.permutation import MOVED_MARGIN
from attn_audit.findings.rule import Outcome, held, is_covered, left_open
from attn_audit.findings.thresholds import NEARLY_ALL
from attn_audit.numbers import count, counted, mean, percent, share

if TYPE_CHECKING:
    from attn_audit.results.report import Report
    from attn_audit.results.table import Examples, Values

NOT_REPLACED = f"{NOT_RUN}, or the text has a single unit"
NOT_DECIDING = f"{NOT_REPLACED}, or the model is undecided"


@dataclass(frozen=True, eq=False)
class RuleFindings:
    """What is known of one rule that replaces attention."""

    rule: str
    words: str
    """Behind "attention"."""
    distance: Field[float | None]
    margin: Field[float | None]
    turned: Field[float | None]
    prediction: Field[Label | None]
    moves: MeanMetric
    moves_margin: MeanMetric
    kept: ShareMetric
    accuracy: ShareMetric

    @property
    def fields(self) -> tuple[Field[object], ...]:
        """Of the records."""
        return (self.distance, self.margin, self.turned, self.prediction)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of the report."""
        return (self.moves, self.moves_margin, self.kept, self.accuracy)


def _rule(rule: str, words: str, *, has_draws: bool = False) -> RuleFindings:
    name, median = f"replacement.{rule}", ", median over the draws" if has_draws else ""
    where = f"attention {words} in every row of the replaced layers"
    distance = Field[float | None](
        f"{name}.distance", f"Change of an example's output with {where}{median}",
        range=OUTPUT_DISTANCE, null=NOT_REPLACED, claim="replacement: output distance",
        tolerance=tolerance.OUTPUT, page=f"output change with attention {words}",
    )  # fmt: skip
    margin = Field[float | None](
        f"{name}.margin",
        f"By which share of itself an example's margin moves with {where}{median}",
        range=MOVED_MARGIN, null=NOT_DECIDING, has_mean=False, claim="replacement: margin",
        tolerance=tolerance.MARGIN,
    )  # fmt: skip
    turned = Field[float | None](
        f"{name}.turned", f"Whether {where} turns the decision: 1 or 0, of several draws or labels "
        "a share",
        range=SHARE, null=NOT_DECIDING,
    )  # fmt: skip
    prediction = Field[Label | None](
        f"{name}.prediction",
        f"The model's prediction with {where}{', in the first draw' if has_draws else ''}",
        kind=Kind.LABEL, null=NOT_REPLACED, claim=SAME,
    )  # fmt: skip

    def keeps(examples: "Examples") -> "Values":
        return 1 - examples.numbers(turned)

    def is_right(examples: "Examples") -> "Values":
        is_counted = examples.is_known(distance) & examples.is_labelled
        return examples.where(is_counted, examples.is_right(prediction))

    return RuleFindings(
        rule, words, distance, margin, turned, prediction,
        moves=MeanMetric.over(distance, UNIT_EDGES, is_coverage=True),
        moves_margin=MeanMetric.over(margin),
        kept=ShareMetric(f"{name}.kept", f"Decisions that stay with {where}", values=keeps),
        accuracy=ShareMetric(
            f"{name}.accuracy", f"Accuracy with {where}",
            values=is_right, needs_labels=True, is_optional=True,
        ),
    )  # fmt: skip


SHUFFLED = _rule("shuffled", "shuffled", has_draws=True)
RULES = (
    SHUFFLED,
    _rule("equal", "equal on every unit"),
    _rule("random", "drawn at random"),
    _rule("cut_off", "cut off"),
)
"""In the order in which they are reported."""

STATUS = status_field("replacement")

FIELDS: tuple[Field[object], ...] = (*(f for rule in RULES for f in rule.fields), STATUS)
METRICS: tuple[Metric, ...] = tuple(metric for rule in RULES for metric in rule.metrics)


def _table(report: "Report") -> Table:
    def row(found: RuleFindings) -> tuple[str, ...]:
        accuracy = report.get(found.accuracy)
        return (
            found.words,
            mean(report[found.moves]),
            mean(report[found.moves_margin]),
            share(report[found.kept]),
            "-" if accuracy is None else share(accuracy),
        )

    columns = ("attention", "output moves by", "of the margin", "decisions kept", "accuracy")
    return Table(columns, tuple(map(row, RULES)), "By what stands in the place of attention")


def _verdict(report: "Report") -> str:
    """Whether decisions depend on where attention lies in all of these layers."""
    kept = report[SHUFFLED.kept]
    if kept.share is None:
        return NOT_MEASURED
    covered = is_covered("replacement", report)
    match held("min", NEARLY_ALL, kept, is_covered=covered):
        case Outcome.PASS:
            return "Hardly: shuffled in all of these layers, attention gives the same decisions."
        case Outcome.FAIL:
            return "Yes: shuffled in all of these layers, attention gives other decisions."
        case Outcome.INCONCLUSIVE:
            return left_open("replacement", report, kept.n, f"kept: {share(kept)}")


def _in_short(report: "Report") -> tuple[str, ...]:
    return tuple(f"{found.words}: {share(report[found.kept])} kept" for found in RULES)


def _line(record: Record) -> str | None:
    known = [(found, record.get(found.turned.name)) for found in RULES]
    turning = [f"{found.words} {percent(turned)}" for found, turned in known if turned is not None]
    return f"replaced everywhere, the decision turns: {', '.join(turning)}" if turning else None


def _answer(report: "Report") -> tuple[str, ...]:
    layers = report.settings.replace_layers
    n_layers = len(report.model.layers)
    where = f"layers {layers} of {count(n_layers)} together"
    if layers == "all":
        where = f"all {count(n_layers)} layers together" if n_layers > 1 else "the only layer"
    first = (
        f"Replaced in every row of {where} ({counted(report[SHUFFLED.moves].n, 'example')}), "
        "each row by its own draw; a row's attention on everything else stays, but where it is cut "
        "off."
    )
    return (first, *(_sentence(report, found) for found in RULES))


def _sentence(report: "Report", found: RuleFindings) -> str:
    accuracy = report.get(found.accuracy)
    right = "" if accuracy is None else f"; accuracy becomes {share(accuracy)}"
    return (
        f"Attention {found.words}: {share(report[found.kept])} of the decisions stay, and the "
        f"output moves by {mean(report[found.moves])}{right}."
    )


FINDINGS = CheckFindings(
    "replacement", "Replacement",
    "Does the prediction change when attention is replaced in several layers together?",
    FIELDS, METRICS, verdict=_verdict, in_short=_in_short, answer=_answer, line=_line,
    is_measured=lambda report: report[SHUFFLED.moves].n > 0,
    tables=lambda report: (_table(report),),
    picture=lambda report: Sketch(
        report[SHUFFLED.moves], ("0: unmoved", "1"), "change of the output when shuffled"
    ),
    is_default=False, is_default_of_decoders=True,
)  # fmt: skip
