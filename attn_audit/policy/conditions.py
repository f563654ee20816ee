"""Why a bound may be left open although its number was measured."""

from attn_audit.findings.rule import Outcome, outcome_of, wanted, written
from attn_audit.policy.missing import why_missing
from attn_audit.policy.places import where_to_look
from attn_audit.policy.policy import Bound, Guard, Policy
from attn_audit.results.finding import Found, find
from attn_audit.results.report import Report

Problem = tuple[str, str] | None
"""Why a bound is left open, and what to do."""


def too_few(bound: Bound, found: Found, policy: Policy) -> Problem:
    """Intervals of few examples are too narrow to be believed, whichever way they point."""
    advice = "Audit more examples."
    if bound.measured.has_interval and found.interval is None:
        return "A single example has no interval.", advice
    least = policy.min_examples
    if least is None or found.n is None or found.n >= least:
        return None
    return f"Only {found.n:,} examples are behind it, and {least:,} are wanted.", advice


def guarded(guard: Guard | None, report: Report) -> Problem:
    """A condition holds only if its whole interval does; None asks for nothing."""
    if guard is None:
        return None
    condition = f"{guard.metric} is {wanted(guard.direction, guard.limit)}"
    found = find(guard.measured, report)
    if found.estimate is None:
        reason, advice = why_missing(guard.measured, report)
        return f"It says something only where {condition}. {reason}", advice
    if outcome_of(guard.direction, guard.limit, found.estimate, found.interval) is Outcome.PASS:
        return None
    value = written(found.estimate, found.interval)
    return (
        f"It says something only where {condition}, and that is {value}.",
        f"First {guard.metric}: {where_to_look(guard.measured.check, report)}",
    )


def uncovered(bound: Bound, policy: Policy, report: Report) -> Problem:
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
