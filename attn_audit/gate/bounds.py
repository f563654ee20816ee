"""One bound, held against a report."""

from attn_audit.findings.rule import Outcome
from attn_audit.policy.conditions import guarded, too_few, uncovered
from attn_audit.policy.judging import Asked, held_against, left_open
from attn_audit.policy.missing import why_missing
from attn_audit.policy.places import where_to_look
from attn_audit.policy.policy import Bound, Policy
from attn_audit.results.finding import find
from attn_audit.results.report import Report
from attn_audit.results.verdict import Judgement


def judge_bound(report: Report, policy: Policy, bound: Bound) -> Judgement:
    """Hold a bound against a report."""
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
    for problem in (too_few(bound, found, policy), guarded(bound.only_if, report)):
        if problem is not None:
            return left_open(asked, found, *problem)
    judgement = held_against(asked, found)
    problem = uncovered(bound, policy, report)
    if judgement.outcome is Outcome.PASS and problem is not None:
        return left_open(asked, found, *problem)
    return judgement
