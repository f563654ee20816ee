"""Decision flip: how much attention has to go, in one order or other, before the decision flips?"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from attn_audit.document import Sketch, Table
from attn_audit.findings import tolerance
from attn_audit.findings.check import NOT_MEASURED, CheckFindings, Record
from attn_audit.findings.example import NOT_RUN, status_field
from attn_audit.findings.field import SHARE, Field
from attn_audit.findings.metric import UNIT_EDGES, MeanMetric, Metric, ShareMetric
from attn_audit.findings.thresholds import MOST
from attn_audit.numbers import counted, mean, mean_percent, percent, share

if TYPE_CHECKING:
    from attn_audit.results.report import Report

OF_ORDERS = replace(tolerance.SHARE, scale=tolerance.itself)
OF_TIES = "where units tie, and of random order, the mean over 5 orders"
NULL = f"{NOT_RUN}, or the text has one unit, no margin, or no attention on its units"


@dataclass(frozen=True, eq=False)
class OrderFindings:
    """What is known of one order in which weights go; of units that tie, the mean over draws."""

    name: str
    words: str
    """In sentences."""
    gone: MeanMetric
    never: ShareMetric
    nothing_left: ShareMetric
    sooner: MeanMetric | None
    """None of the random order itself."""

    @property
    def metrics(self) -> tuple[MeanMetric | ShareMetric, ...]:
        """Of the report, each of the field of its own name."""
        sooner = () if self.sooner is None else (self.sooner,)
        return (self.gone, self.never, self.nothing_left, *sooner)

    @property
    def fields(self) -> tuple[Field[float | None], ...]:
        """Of the records."""
        return tuple(m.values for m in self.metrics if isinstance(m.values, Field))


def _order(name: str, words: str, first: str) -> OrderFindings:
    where = f"units' attention is set to 0{first}"

    def field(suffix: str, definition: str, null: str = NULL) -> Field[float | None]:
        return Field(
            f"decision_flip.{name}{suffix}", definition, range=SHARE, null=null,
            claim="decision flips", tolerance=OF_ORDERS,
        )  # fmt: skip

    def ends(suffix: str, how: str) -> ShareMetric:
        whether = field(suffix, f"Whether the decision {how} where {where}: 1 or 0; {OF_TIES}")
        texts = f"Texts whose decision {how} where {where}; {OF_TIES}"
        return ShareMetric(whether.name, texts, values=whether)

    gone = field(
        "",
        f"Share of the units that are gone when the decision is another, where {where} and the "
        f"rest is renormalised; {OF_TIES}",
        f"{NULL}; or it is another only when nothing is left, or never",
    )
    sooner = field(
        ".sooner_than_random",
        f"Whether the decision is another with fewer units gone than in random order where {where}"
        f": 1 or 0, half where it takes as many; {OF_TIES}",
    )
    return OrderFindings(
        name, words,
        MeanMetric.over(gone, UNIT_EDGES),
        ends(".never", "never is another"),
        ends(".nothing_left", "is another only when nothing is left"),
        None if name == "random" else MeanMetric.over(sooner),
    )  # fmt: skip


ORDERS = (
    _order("attention", "attention", ", the most attended first"),
    _order("gradient", "its gradient", ", those whose attention moves the margin most first"),
    _order(
        "attention_x_gradient",
        "attention x gradient",
        ", those of the largest attention times gradient first",
    ),
    _order("random", "random order", " in random order"),
)
"""In the order in which they are reported."""

ATTENTION = ORDERS[0]

STATUS = status_field("decision_flip")

FIELDS: tuple[Field[object], ...] = (*(f for order in ORDERS for f in order.fields), STATUS)
METRICS: tuple[Metric, ...] = tuple(m for order in ORDERS for m in order.metrics)


def _table(report: "Report") -> Table:
    def row(order: OrderFindings) -> tuple[str, ...]:
        sooner = "-" if order.sooner is None else mean_percent(report[order.sooner])
        ends = (share(report[metric]) for metric in (order.nothing_left, order.never))
        return (order.words, mean(report[order.gone]), *ends, sooner)

    columns = ("by", "gone when it flips", "nothing left", "never", "sooner than random")
    return Table(columns, tuple(map(row, ORDERS)), "By the order in which attention goes")


def _verdict(report: "Report") -> str:
    """Whether the order of attention gets there sooner than chance."""
    assert ATTENTION.sooner is not None
    sooner = report[ATTENTION.sooner]
    if sooner.interval is None:
        return NOT_MEASURED
    found = mean_percent(sooner)
    if sooner.interval.low > MOST:
        return f"Fewer than of random ones: the most attended are sooner in {found}."
    if sooner.interval.high < MOST:
        return f"More than of random ones: the most attended are sooner in no more than {found}."
    return f"Whether fewer than of random ones is open: the most attended are sooner in {found}."


def _in_short(report: "Report") -> tuple[str, ...]:
    return tuple(
        f"by {order.words}: {mean(report[order.gone])} of the words"
        for order in ORDERS
        if report[order.gone].n
    )


def _line(record: Record) -> str | None:
    gone, never, nothing_left = (record.get(m.name) for m in ATTENTION.metrics[:3])
    if never is None:
        return None
    if gone is not None:
        return f"the decision flips without attention on the first {percent(gone)} of its words"
    ends = (("never flips", never), ("flips only when nothing is left", nothing_left))
    how = " or ".join(words for words, found in ends if found)
    return f"without attention on its most attended words the decision {how}"


def _answer(report: "Report") -> tuple[str, ...]:
    examples = counted(report[ATTENTION.never].n, "example")
    return (
        f"Attention is taken from one word after the other ({examples}), the rest renormalised, "
        "until the decision is another.",
        *(_sentence(report, order) for order in ORDERS),
    )


def _sentence(report: "Report", order: OrderFindings) -> str:
    gone = report[order.gone]
    took = "in no text before nothing is left"
    if gone.n:
        took = f"it takes {mean(gone)} of the words ({counted(gone.n, 'text')})"
    return (
        f"By {order.words} {took}; only when nothing is left "
        f"{share(report[order.nothing_left])}, never {share(report[order.never])}."
    )


FINDINGS = CheckFindings(
    "decision_flip", "Decision flip",
    "How many words must lose their attention before the decision is another?", FIELDS, METRICS,
    verdict=_verdict, in_short=_in_short, answer=_answer, line=_line,
    is_measured=lambda report: report[ATTENTION.never].n > 0,
    tables=lambda report: (_table(report),),
    picture=lambda report: Sketch(
        report[ATTENTION.gone], ("0: none", "1: all"), "gone when it flips"
    ),
    is_default=False,
)  # fmt: skip
