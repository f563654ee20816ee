"""Decision flip: how much attention has to go, in one order or other, before the decision flips?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attn_audit.document import Card, Section, Sketch, Table
from attn_audit.findings.check import CheckFindings
from attn_audit.findings.example import NOT_RUN, status_field
from attn_audit.findings.field import SAME, SHARE, Field, Kind
from attn_audit.findings.groups import NOT_MEASURED, folded, section_of
from attn_audit.findings.metric import UNIT_EDGES, MeanMetric, Metric, ShareMetric
from attn_audit.findings.thresholds import MOST
from attn_audit.findings.tolerance import SHARE as TOLERANCE
from attn_audit.numbers import counted, mean, mean_percent, percent, share

if TYPE_CHECKING:
    from attn_audit.results.examples import Examples
    from attn_audit.results.report import Report
    from attn_audit.results.table import Values

FLIPPED, NOTHING_LEFT, NEVER = "flipped", "only when nothing is left", "never"
"""How it ended."""

NULL = f"{NOT_RUN}, or the text has one unit, no margin, or no attention on its units"


@dataclass(frozen=True, eq=False)
class OrderFindings:
    """What is known of one order in which weights go."""

    name: str
    words: str
    """In sentences."""
    share: Field[float | None]
    end: Field[str | None]
    gone: MeanMetric
    never: ShareMetric
    nothing_left: ShareMetric
    sooner: MeanMetric | None
    """None of the random order itself."""

    @property
    def fields(self) -> tuple[Field[object], ...]:
        """Of the records."""
        return (self.share, self.end)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of the report."""
        sooner = () if self.sooner is None else (self.sooner,)
        return (self.gone, self.never, self.nothing_left, *sooner)


def _order(name: str, words: str, first: str) -> OrderFindings:
    where = f"units' attention is set to 0{first}"
    field = Field[float | None](
        f"decision_flip.{name}",
        f"Share of the units that are gone when the decision is another, where {where} and the "
        "rest is renormalised",
        range=SHARE, null=f"{NULL}; or it is another only when nothing is left, or never",
        claim="decision flips", tolerance=TOLERANCE,
    )  # fmt: skip
    end = Field[str | None](
        f"decision_flip.{name}.end",
        f"How it ends where {where}: `{FLIPPED}`, `{NOTHING_LEFT}` or `{NEVER}`",
        kind=Kind.TEXT, null=NULL, claim=SAME,
    )  # fmt: skip

    def ends(examples: "Examples", how: str) -> "Values":
        import numpy as np

        found = np.array(examples.strings(end))
        return examples.where(found != "", found == how)

    def is_sooner(examples: "Examples") -> "Values":
        import numpy as np

        own, random = _reached(examples, field, end), _reached(examples, *_RANDOM)
        is_counted = ~(np.isnan(own) | np.isnan(random))
        return examples.where(is_counted, np.mean([own < random, own <= random], axis=0))

    is_random = name == "random"
    return OrderFindings(
        name, words, field, end,
        MeanMetric.over(field, UNIT_EDGES),
        ShareMetric(
            f"decision_flip.{name}.never", f"Texts whose decision never is another where {where}",
            values=lambda examples: ends(examples, NEVER),
        ),
        ShareMetric(
            f"decision_flip.{name}.nothing_left",
            f"Texts whose decision is another only when nothing is left, where {where}",
            values=lambda examples: ends(examples, NOTHING_LEFT),
        ),
        None if is_random else MeanMetric(
            f"decision_flip.{name}.sooner_than_random",
            "Share of the texts whose decision is another with fewer units gone than in random "
            f"order where {where}; half of those where it takes as many",
            values=is_sooner, range=SHARE,
        ),
    )  # fmt: skip


def _reached(examples: "Examples", share: Field[float | None], end: Field[str | None]) -> "Values":
    """The share that has to go: all of it, and no share that there is where it never flips."""
    import numpy as np

    ends = np.array(examples.strings(end))
    values = np.where(ends == NOTHING_LEFT, 1.0, np.where(ends == NEVER, np.inf, np.nan))
    found: Values = np.where(ends == FLIPPED, examples.numbers(share), values)
    return found


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
_RANDOM = (ORDERS[-1].share, ORDERS[-1].end)

STATUS = status_field("decision_flip")

FIELDS: tuple[Field[object], ...] = (*(f for order in ORDERS for f in order.fields), STATUS)
METRICS: tuple[Metric, ...] = tuple(metric for order in ORDERS for metric in order.metrics)

QUESTION = "How many words must lose their attention before the decision is another?"


def section(report: "Report") -> Section:
    """Question, answer, and a line for each order."""
    tables = (folded(report, _table(report)),) if report[ATTENTION.never].n else ()
    return section_of("decision_flip", "Decision flip", QUESTION, answer(report), (), *tables)


def _table(report: "Report") -> Table:
    def row(order: OrderFindings) -> tuple[str, ...]:
        sooner = "-" if order.sooner is None else mean_percent(report[order.sooner])
        ends = (share(report[metric]) for metric in (order.nothing_left, order.never))
        return (order.words, mean(report[order.gone]), *ends, sooner)

    columns = ("by", "gone when it flips", "nothing left", "never", "sooner than random")
    return Table(columns, tuple(map(row, ORDERS)), "By the order in which attention goes")


def card(report: "Report") -> Card:
    """The same at a glance."""
    return Card(
        id="decision_flip",
        name="Decision flip",
        question=QUESTION,
        verdict=verdict(report),
        lines=in_short(report),
        picture=Sketch(report[ATTENTION.gone], ("0: none", "1: all"), "gone when it flips"),
    )


def verdict(report: "Report") -> str:
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


def in_short(report: "Report") -> tuple[str, ...]:
    """How much has to go in each order, in short lines."""
    if not report[ATTENTION.never].n:
        return ("no example could be measured",)
    return tuple(
        f"by {order.words}: {mean(report[order.gone])} of the words"
        for order in ORDERS
        if report[order.gone].n
    )


def line(record: Mapping[str, Any]) -> str | None:
    """What it takes in one example."""
    end, gone = record.get(ATTENTION.end.name), record.get(ATTENTION.share.name)
    if end is None:
        return None
    if gone is None:
        return f"without attention on its most attended words the decision flips: {end}"
    return f"the decision flips without attention on the first {percent(gone)} of its words"


def answer(report: "Report") -> tuple[str, ...]:
    """What the check found, in sentences."""
    never = report[ATTENTION.never]
    if not never.n:
        return ("No example could be measured: see the degenerate examples.",)
    return (
        f"Attention is taken from one word after the other ({counted(never.n, 'example')}), the "
        "rest renormalised, until the decision is another.",
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
    "decision_flip", FIELDS, METRICS, section=section, card=card, line=line, is_default=False,
)  # fmt: skip
