"""Why a bound is left open: its number is not there, or says too little; and where to look."""

from attn_audit.findings.metric import Statistic
from attn_audit.findings.registry import checks
from attn_audit.findings.rule import Outcome, outcome_of, wanted, written
from attn_audit.policy.policy import Bound, Guard, Policy
from attn_audit.results.finding import find
from attn_audit.results.report import Report
from attn_audit.statistics.estimate import Estimate

Obstacle = tuple[str, str]
"""Why a number is not judged, and what to do or look at."""

MAX_NAMED = 3


def too_few(bound: Bound, estimate: Estimate, policy: Policy) -> Obstacle | None:
    """Intervals of few examples are too narrow to be believed, whichever way they point."""
    advice = "Audit more examples."
    if bound.measured.has_interval and estimate.interval is None:
        return "A single example has no interval.", advice
    least = policy.min_examples
    if least is None or estimate.n is None or estimate.n >= least:
        return None
    return f"Only {estimate.n:,} examples are behind it, and {least:,} are wanted.", advice


def guarded(guard: Guard | None, report: Report) -> Obstacle | None:
    """A condition holds only if its whole interval does; None: the bound has none."""
    if guard is None:
        return None
    condition = f"{guard.metric} is {wanted(guard.direction, guard.limit)}"
    found = find(guard.measured, report)
    if found.value is None:
        reason, advice = why_missing(guard.measured, report)
        return f"It says something only where {condition}. {reason}", advice
    if outcome_of(guard.direction, guard.limit, found.value, found.interval) is Outcome.PASS:
        return None
    return (
        f"It says something only where {condition}, and that is "
        f"{written(found.value, found.interval)}.",
        f"First {guard.metric}: {where_to_look(guard.measured.check, report)}",
    )


def uncovered(bound: Bound, policy: Policy, report: Report) -> Obstacle | None:
    """What a check says of some examples cannot pass for all; failing on them is failing."""
    check, n, least = bound.measured.check, report.data.n_read, policy.min_coverage
    covered = report.coverage(check)
    if least is None or covered is None or covered / n >= least:
        return None
    return (
        f"It would pass on the {covered:,} of {n:,} examples that the {check} check says "
        "something about: too few of them.",
        "The degenerate examples of this check, by reason.",
    )


def why_missing(statistic: Statistic, report: Report) -> Obstacle:
    """The reason, and what to do."""
    return (
        _without_labels(statistic, report)
        or _without_result(statistic.check, report)
        or _without_measure(statistic, report)
        or _without_examples(statistic)
    )


def _without_labels(statistic: Statistic, report: Report) -> Obstacle | None:
    is_performance = statistic.check == "performance"
    if statistic.metric.needs_labels and report.data.n_labelled == 0:
        return "The data has no labels.", "Audit data with gold labels."
    if is_performance:
        return "It is not defined for this task and these labels.", "Bound another number."
    return None


def _without_result(check: str, report: Report) -> Obstacle | None:
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


def _without_measure(statistic: Statistic, report: Report) -> Obstacle | None:
    measures = report.settings.measures
    if set(statistic.metric.measures) <= set(measures):
        return None
    return (
        f"It needs measures that were not computed (only {measures[0]}).",
        "Audit again with `--measures gradient,leave_one_out`.",
    )


def _without_examples(statistic: Statistic) -> Obstacle:
    return (
        f"The {statistic.check} check has no such number of any example.",
        "The degenerate examples of this check, by reason.",
    )


def where_to_look(check: str, report: Report) -> str:
    """The examples that show what a check found, and the parts of the report that part it."""
    if check == "performance":
        return "In the records, `label` beside `prediction`."
    (findings,) = (found for found in checks() if found.check == check)
    place = f"The {check} section of the report"
    if not findings.telling:
        return f"{place}."
    of = findings.telling[0]
    named = [
        str(example.record["id"])
        for example in report.telling_examples
        if example.reason == of.reason and "id" in example.record
    ]
    parts = f"{place}, by prediction and by length"
    if not named:
        return f"{parts}."
    return f"{parts}; examples {of.where}: {', '.join(named[:MAX_NAMED])}."
