"""The changes between two reports, held against a policy."""

from collections.abc import Callable
from datetime import date

from attn_audit.errors import ConfigurationError
from attn_audit.findings.metric import Statistic
from attn_audit.findings.rule import Outcome
from attn_audit.policy.conditions import guarded, too_few, uncovered
from attn_audit.policy.judging import Asked, held_against, left_open, with_waivers
from attn_audit.policy.missing import why_missing
from attn_audit.policy.places import where_to_look
from attn_audit.policy.policy import Bound, Policy
from attn_audit.results.comparison import Change
from attn_audit.results.finding import NOT_MEASURED, Found, find
from attn_audit.results.report import Report
from attn_audit.results.verdict import Judgement, Verdict

MAX_NAMED = 3

Changes = Callable[[Statistic], Change | None]
"""The change of a metric; None where a report does not hold it."""


def require_bounds_of_changes(policy: Policy) -> None:
    """Refuse a policy that any two reports would pass.

    Raises:
        ConfigurationError: It bounds no change.
    """
    if not any(bound.is_of_change for bound in policy.bounds):
        raise ConfigurationError(
            f"the policy {policy.name} bounds no change, so any would pass",
            hint="Give it a [[bound]] with `max_drop` or `max_rise`. Bounds with `min` or `max` "
            "are judged by `attn-audit gate`.",
        )


def judge_changes(
    base: Report, new: Report, changes: Changes, policy: Policy, today: date
) -> Verdict:
    """Hold every change that a policy bounds against its limit, by the rule of the gate."""
    bounds = [bound for bound in policy.bounds if bound.is_of_change]
    judgements = tuple(
        _judge(bound, base, new, changes(bound.measured), policy) for bound in bounds
    )
    return Verdict(
        policy=policy.name,
        policy_sha256=policy.sha256,
        subject=f"{new.model.source} against {base.model.source} on {new.data.name}",
        judgements=with_waivers(judgements, policy, today),
    )


def _judge(
    bound: Bound, base: Report, new: Report, change: Change | None, policy: Policy
) -> Judgement:
    definition = f"Change, new minus base. {bound.measured.definition}"
    asked = Asked(
        metric=bound.metric,
        definition=definition,
        direction=bound.direction,
        limit=bound.limit,
        level=bound.level,
        look_at=_where_to_look(bound, change, new),
        check=bound.measured.check,
        why=bound.why,
    )
    if change is None:
        return left_open(asked, NOT_MEASURED, *_why_missing(bound.measured, base, new))
    found = Found(change.difference, change.interval, change.n)
    problems = (
        too_few(bound, found, policy),
        guarded(bound.only_if, base),
        guarded(bound.only_if, new),
    )
    for problem in problems:
        if problem is not None:
            return left_open(asked, found, *problem)
    judgement = held_against(asked, found)
    problem = uncovered(bound, policy, base) or uncovered(bound, policy, new)
    if judgement.outcome is Outcome.PASS and problem is not None:
        return left_open(asked, found, *problem)
    return judgement


def _why_missing(metric: Statistic, base: Report, new: Report) -> tuple[str, str]:
    for name, report in (("base", base), ("new", new)):
        if find(metric, report).estimate is None:
            reason, advice = why_missing(metric, report)
            return f"The {name} report does not hold it. {reason}", advice
    return "No example has it in both reports.", "The degenerate examples of both."


def _where_to_look(bound: Bound, change: Change | None, new: Report) -> str:
    if change is None or not change.most_changed:
        return where_to_look(bound.measured.check, new)
    named = ", ".join(example.id for example in change.most_changed[:MAX_NAMED])
    return f"The examples that changed most: {named}."
