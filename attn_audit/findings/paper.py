"""The numbers of Jain & Wallace (2019), as tables of several reports show them."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from attn_audit.findings import adversarial, performance, permutation
from attn_audit.findings.correlation import P_VALUE
from attn_audit.findings.correlation_pairs import (
    ATTENTION_GRADIENT,
    ATTENTION_LEAVE_ONE_OUT,
    OF_YARDSTICK,
    PairMetrics,
    metrics_of,
)
from attn_audit.findings.metric import Metric, Statistic
from attn_audit.numbers import number, percent
from attn_audit.statistics.summary import GroupedDistribution, Share

if TYPE_CHECKING:
    from attn_audit.results.report import Report


TableName = Literal[
    "performance", "gradient", "leave_one_out", "yardstick", "permutation", "adversarial",
    "models", "classes", "reports",
]  # fmt: skip
"""What tables are chosen by: what they are about, and which lines they have."""

NAMES: tuple[TableName, ...] = get_args(TableName)


SMALL = 0.1
"""Distances below this are written with more digits."""


@dataclass(frozen=True)
class Column:
    """A number of the report's, as a column of a table."""

    heading: str
    statistic: Statistic
    written: Callable[[float], str] = number

    @property
    def name(self) -> str:
        """As policies, tables and messages have it."""
        return self.statistic.name

    def figures(self, *values: float) -> tuple[str, ...]:
        """Values that stand together: where all are small, with digits that tell them apart."""
        is_small = 0 < max(map(abs, values)) < SMALL and self.statistic.metric.range.low >= 0
        if is_small and self.written is number:
            return tuple(number(value, 4) for value in values)
        return tuple(map(self.written, values))

    def of(self, report: "Report", predicted: str | None = None) -> float | None:
        """Its value over all examples, or over those of a predicted class; None: it has none."""
        if predicted is None:
            return report.estimate_of(self.statistic).value
        found = report.metrics.get(self.statistic.metric.name)
        match found:
            case GroupedDistribution():
                inside = [g.distribution for g in found.by_prediction if g.name == predicted]
                of: list[float | None] = [
                    getattr(each, self.statistic.suffix or "mean") for each in inside
                ]
            case Share():
                of = [part.share for part in found.by_prediction if part.name == predicted]
            case _:
                of = []
        return of[0] if of else None


@dataclass(frozen=True)
class Block:
    """Columns that stand beside each other, in a table of their own."""

    name: TableName
    title: str
    columns: tuple[Column, ...]
    is_of_classes: bool = False
    """Whether the paper gives them by predicted class, too."""


def _correlation(name: TableName, title: str, of: PairMetrics) -> Block:
    columns = (
        Column("tau", Statistic(of.tau)),
        Column("sd", Statistic(of.tau, "sd")),
        Column(P_VALUE, Statistic(of.significant), percent),
    )
    return Block(name, title, columns, is_of_classes=True)


def _mean_and_median(metric: Metric) -> tuple[Column, ...]:
    return Column("mean", Statistic(metric)), Column("median", Statistic(metric, "median"))


TAUS = (metrics_of(ATTENTION_GRADIENT).tau, metrics_of(ATTENTION_LEAVE_ONE_OUT).tau)
"""What classes are told apart by."""

BLOCKS = (
    Block(
        "performance",
        "How well the models predict",
        (
            Column("accuracy", Statistic(performance.ACCURACY), percent),
            Column("macro F1", Statistic(performance.MACRO_F1)),
            Column("micro F1", Statistic(performance.MICRO_F1)),
            Column("ROC AUC", Statistic(performance.ROC_AUC)),
        ),
    ),
    _correlation("gradient", "Attention with gradients", metrics_of(ATTENTION_GRADIENT)),
    _correlation(
        "leave_one_out", "Attention with leave-one-out", metrics_of(ATTENTION_LEAVE_ONE_OUT)
    ),
    _correlation("yardstick", "Gradients with leave-one-out (the yardstick)", OF_YARDSTICK),
    Block(
        "permutation",
        "Output change when attention is shuffled",
        _mean_and_median(permutation.DISTANCE),
    ),
    Block(
        "adversarial", "Largest divergence within epsilon", _mean_and_median(adversarial.MAX_JSD)
    ),
)


def columns(only: Collection[str] = ()) -> Iterator[Column]:
    """All of them in order, or those of the blocks that are named, where any is."""
    named = [block for block in BLOCKS if block.name in only]
    return (column for block in named or BLOCKS for column in block.columns)
