"""Metrics example by example: what a mean or share of a report is over."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from attn_audit.results.report import Report
from attn_audit.results.table import RecordTable
from attn_audit.results.thresholds import SIGNIFICANT
from attn_audit.statistics.summary.correlation import PAIRS
from attn_audit.statistics.summary.interventions import is_moved, is_too_even
from attn_audit.statistics.summary.predictions import Predictions

Values = Float64[np.ndarray, " example"]
"""NaN where an example does not have the number."""


@dataclass(frozen=True)
class Examples:
    """The records of a report, and its predictions."""

    table: RecordTable
    predictions: Predictions

    @staticmethod
    def of(table: RecordTable, report: Report) -> "Examples":
        """Read what is asked for more than once.

        Args:
            table: The report's records.
            report: Names the task and its labels.
        """
        return Examples(table, Predictions(table, report.model.labels, report.model.task))

    def values(self, metric: str) -> Values:
        """A number for each example, whose mean over those that have it is the metric.

        Args:
            metric: One of `PER_EXAMPLE`.
        """
        return PER_EXAMPLE[metric](self)


def _column(name: str) -> Callable[[Examples], Values]:
    return lambda examples: examples.table.numbers(name)


def _where(condition: Bool[np.ndarray, " example"], values: np.ndarray) -> Values:
    """Values as numbers where the condition holds, else NaN."""
    chosen: np.ndarray = np.where(condition, values.astype(np.float64), np.nan)
    return chosen


def _gap(measure: str) -> Callable[[Examples], Values]:
    def values(examples: Examples) -> Values:
        numbers = examples.table.numbers
        gap: np.ndarray = numbers("tau_gradient_leave_one_out") - numbers(
            f"tau_attention_{measure}"
        )
        return gap

    return values


def _significant(pair: str, sign: int) -> Callable[[Examples], Values]:
    def values(examples: Examples) -> Values:
        numbers = examples.table.numbers
        tau, p_value = numbers(f"tau_{pair}"), numbers(f"p_{pair}")
        return _where(~np.isnan(p_value), (p_value <= SIGNIFICANT) & (sign * tau > 0))

    return values


def _is_permuted(examples: Examples) -> Bool[np.ndarray, " example"]:
    measured: np.ndarray = ~np.isnan(examples.table.numbers("median_permutation_distance"))
    return measured


def _moved(examples: Examples) -> Values:
    numbers = examples.table.numbers
    moved = is_moved(numbers("median_permutation_distance"), numbers("median_permutation_jsd"))
    return _where(_is_permuted(examples), moved)


def _too_even(examples: Examples) -> Values:
    too_even = is_too_even(examples.table.numbers("median_permutation_jsd"))
    return _where(_is_permuted(examples), too_even)


def _permuted_mass(examples: Examples) -> Values:
    return _where(_is_permuted(examples), examples.table.numbers("audited_mass"))


def _accuracy(examples: Examples) -> Values:
    predictions = examples.predictions
    return _where(predictions.is_labelled, predictions.right("prediction"))


def _unchanged(examples: Examples) -> Values:
    same = examples.predictions.same_as_own("uniform_prediction")
    return _where(_is_permuted(examples), same)


def _uniform_accuracy(examples: Examples) -> Values:
    predictions = examples.predictions
    is_known = _is_permuted(examples) & predictions.is_labelled
    return _where(is_known, predictions.right("uniform_prediction"))


def _accuracy_change(examples: Examples) -> Values:
    change: np.ndarray = _uniform_accuracy(examples) - _accuracy(examples)
    return change


PER_EXAMPLE: dict[str, Callable[[Examples], Values]] = {
    "performance.accuracy.share": _accuracy,
    **{f"correlation.{pair}.mean": _column(f"tau_{pair}") for pair in PAIRS},
    **{
        f"correlation.{pair}.significantly_{side}.share": _significant(pair, sign)
        for pair in PAIRS
        for side, sign in (("positive", 1), ("negative", -1))
    },
    "correlation.gap.attention_gradient.mean": _gap("gradient"),
    "correlation.gap.attention_leave_one_out.mean": _gap("leave_one_out"),
    "permutation.distance.mean": _column("median_permutation_distance"),
    "permutation.jsd.mean": _column("median_permutation_jsd"),
    "permutation.within_epsilon.mean": _column("share_permutations_within_epsilon"),
    "permutation.moved.share": _moved,
    "permutation.too_even.share": _too_even,
    "permutation.uniform.distance.mean": _column("uniform_distance"),
    "permutation.uniform.unchanged.share": _unchanged,
    "permutation.uniform.accuracy.share": _uniform_accuracy,
    "permutation.uniform.accuracy_change.mean": _accuracy_change,
    "permutation.audited_mass.mean": _permuted_mass,
    "adversarial.max_jsd.mean": _column("max_jsd"),
    "adversarial.relative_jsd.mean": _column("relative_jsd"),
    "adversarial.upper_bound.mean": _column("max_jsd_upper_bound"),
    "adversarial.distance.mean": _column("adversarial_distance"),
}
"""Every mean and share that the records hold example by example."""
