"""One bound, held against a report."""

from attn_audit.gate.coverage import coverage
from attn_audit.gate.missing import why_missing
from attn_audit.gate.places import where_to_look
from attn_audit.policy.judging import Asked, held_against, left_open
from attn_audit.policy.policy import Bound, Guard, Policy
from attn_audit.policy.rule import outcome_of, wanted, written
from attn_audit.results.metrics import Found, find
from attn_audit.results.report import Report
from attn_audit.results.verdict import Judgement, Outcome


def judge_bound(report: Report, policy: Policy, bound: Bound) -> Judgement:
    """Hold a bound against a report.

    Args:
        report: Any report.
        policy: The bound's; says how many examples it takes.
        bound: Of a number of the report.
    """
    asked = Asked(
        metric=bound.metric,
        definition=bound.measured.definition,
        direction=bound.direction,
        limit=bound.limit,
        level=bound.level,
        look_at=where_to_look(bound.measured.check, report),
        check=bound.measured.check,
        why=bound.why,
    )
    found = find(bound.measured, report)
    if found.estimate is None:
        return left_open(asked, found, *why_missing(bound.measured, report))
    for problem in (_too_few(bound, found, policy), _guarded(bound.only_if, report)):
        if problem is not None:
            return left_open(asked, found, *problem)
    judgement = held_against(asked, found)
    problem = _uncovered(bound, policy, report)
    if judgement.outcome is Outcome.PASS and problem is not None:
        return left_open(asked, found, *problem)
    return judgement


Problem = tuple[str, str] | None
"""Why a bound is left open, and what to do."""


def _too_few(bound: Bound, found: Found, policy: Policy) -> Problem:
    """Intervals of few examples are too narrow to be believed, whichever way they point."""
    advice = "Audit more examples."
    if bound.measured.has_interval and found.interval is None:
        return "A single example has no interval.", advice
    least = policy.min_examples
    if least is None or found.n is None or found.n >= least:
        return None
    return f"Only {found.n:,} examples are behind it, and {least:,} are wanted.", advice


def _guarded(guard: Guard | None, report: Report) -> Problem:
    """A condition holds only if its whole interval does."""
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


def _uncovered(bound: Bound, policy: Policy, report: Report) -> Problem:
    """What a check says of some examples cannot pass for all; failing on them is failing."""
    check, n, least = bound.measured.check, report.data.n_examples, policy.min_coverage
    covered = coverage(check, report)
    if least is None or covered is None or covered / n >= least:
        return None
    return (
        f"It would pass on the {covered:,} of {n:,} examples that the {check} check says "
        "something about: too few of them.",
        "The degenerate examples of this check, by reason.",
    )
