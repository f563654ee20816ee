"""Why a report does not hold a number that a policy asks for."""

from attn_audit.findings.metric import Statistic
from attn_audit.results.report import Report

Reason = tuple[str, str]
"""Why, and what to do or look at."""


def why_missing(statistic: Statistic, report: Report) -> Reason:
    """The reason, and what to do."""
    return (
        _without_labels(statistic, report)
        or _without_result(statistic.check, report)
        or _without_measure(statistic, report)
        or _without_examples(statistic)
    )


def _without_labels(statistic: Statistic, report: Report) -> Reason | None:
    is_performance = statistic.check == "performance"
    if statistic.metric.needs_labels and report.data.n_labelled == 0:
        return "The data has no labels.", "Audit data with gold labels."
    if is_performance:
        return "It is not defined for this task and these labels.", "Bound another number."
    return None


def _without_result(check: str, report: Report) -> Reason | None:
    run = report.settings.checks
    if check not in run:
        return (
            f"The {check} check was not run (only {', '.join(run)}).",
            f"Audit again with `--checks {','.join((*run, check))}`.",
        )
    if not report.has(check):
        return (
            f"The {check} check was started and left no result: it raised an error.",
            "What the audit printed, and `--debug`.",
        )
    return None


def _without_measure(statistic: Statistic, report: Report) -> Reason | None:
    measures = report.settings.measures
    if set(statistic.metric.measures) <= set(measures):
        return None
    return (
        f"It needs measures that were not computed (only {measures[0]}).",
        "Audit again with `--measures gradient,leave_one_out`.",
    )


def _without_examples(statistic: Statistic) -> Reason:
    return (
        f"The {statistic.check} check has no such number of any example.",
        "The degenerate examples of this check, by reason.",
    )
