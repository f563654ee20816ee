"""The numbers of a report that a table in a comment has room for."""

from collections.abc import Iterator

from attn_audit.formats.numbers import bracket, mean, mean_percent, number, percent, share
from attn_audit.results.report import Report
from attn_audit.results.summary import (
    AdversarialSummary,
    CorrelationSummary,
    Distribution,
    Performance,
    PermutationSummary,
)
from attn_audit.results.thresholds import MOVED_DISTANCE

Row = tuple[str, str, int]
"""What it is, the estimate with its 95 % interval, and the examples behind it."""


def figures(report: Report) -> Iterator[Row]:
    """The model's accuracy, then check by check; nothing of a check that was not run.

    Args:
        report: Any report.
    """
    checks = report.checks
    if report.performance is not None:
        yield from _performance(report.performance)
    if checks.correlation is not None:
        yield from _correlation(checks.correlation)
    if checks.permutation is not None:
        yield from _permutation(checks.permutation, report.settings.epsilon)
    if checks.adversarial is not None:
        yield from _adversarial(checks.adversarial)
    intervened = checks.permutation or checks.adversarial
    if intervened is not None:
        yield "Audited mass", mean(intervened.audited_mass), intervened.audited_mass.n


def _performance(found: Performance) -> Iterator[Row]:
    yield "Accuracy of the model", share(found.accuracy, 1), found.n
    yield "Accuracy of the most frequent answer", percent(found.majority_share, 1), found.n
    for name, value, interval in (
        ("Macro F1", found.macro_f1, found.macro_f1_interval),
        ("Micro F1", found.micro_f1, found.micro_f1_interval),
        ("ROC AUC", found.roc_auc, found.roc_auc_interval),
    ):
        if value is not None:
            yield name, f"{number(value, 3)} {bracket(interval, 3)}".rstrip(), found.n


def _correlation(found: CorrelationSummary) -> Iterator[Row]:
    gap = found.gap
    named: tuple[tuple[str, Distribution | None], ...] = (
        ("Tau, attention with gradients", found.attention_gradient),
        ("Tau, attention with leave-one-out", found.attention_leave_one_out),
        ("Tau, gradients with leave-one-out: the yardstick", found.gradient_leave_one_out),
        ("Yardstick less attention with gradients", gap.attention_gradient if gap else None),
        ("Yardstick less attention with leave-one-out",
         gap.attention_leave_one_out if gap else None),
    )  # fmt: skip
    for name, tau in named:
        if tau is not None:
            yield name, mean(tau), tau.n


def _permutation(found: PermutationSummary, epsilon: float) -> Iterator[Row]:
    unchanged = found.uniform.unchanged
    yield "Shuffled attention moves the output by", mean(found.distance), found.distance.n
    yield f"Moved by {MOVED_DISTANCE:g} or more", share(found.moved), found.moved.n
    too_even = "Attention too even for that, counted as not moved"
    yield too_even, share(found.too_even), found.too_even.n
    within = found.within_epsilon
    yield f"Permutations that keep it within {epsilon:g}", mean_percent(within), within.n
    yield "Predictions that equal attention leaves as they are", share(unchanged), unchanged.n


def _adversarial(found: AdversarialSummary) -> Iterator[Row]:
    jsd, relative = found.max_jsd, found.relative_jsd
    yield "Largest divergence for the same output, nats", mean(jsd), jsd.n
    yield "The same, of what each example allows", mean_percent(relative), relative.n
