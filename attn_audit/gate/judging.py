"""Every requirement and bound of a policy, held against a report."""

from datetime import date

from attn_audit.errors import ConfigurationError
from attn_audit.gate.bounds import judge_bound
from attn_audit.gate.requirements import judge_requirements
from attn_audit.policy.judging import with_waivers
from attn_audit.policy.policy import Policy
from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict


def judge(report: Report, policy: Policy, today: date | None = None) -> Verdict:
    """Hold a report against a policy.

    A bound passes only if its number was measured, on enough examples, and all of its 95 % interval
    is on the right side. Bounds of changes are for `compare` and are left out.

    Args:
        report: Any report.
        policy: Any policy that asks something of a report.
        today: Waivers hold through their last day; None: the day it is.

    Raises:
        ConfigurationError: The policy asks nothing of a report, so that everything would pass.
    """
    require_bounds(policy)
    bounds = tuple(bound for bound in policy.bounds if not bound.is_of_change)
    judgements = (
        *judge_requirements(report, policy, bounds),
        *(judge_bound(report, policy, bound) for bound in bounds),
    )
    return Verdict(
        policy=policy.name,
        policy_sha256=policy.sha256,
        subject=f"{report.model.source} on {report.data.name}",
        judgements=with_waivers(judgements, policy, today or date.today()),
    )


def require_bounds(policy: Policy) -> None:
    """Refuse a policy that any report would pass; before an audit, it may be.

    Args:
        policy: Any policy.

    Raises:
        ConfigurationError: It asks nothing of a report.
    """
    if policy.min_accuracy is None and all(bound.is_of_change for bound in policy.bounds):
        raise ConfigurationError(
            f"the policy {policy.name} bounds no number of a report, so any would pass",
            hint="Give it a [[bound]] with `min` or `max`. Bounds with `max_drop` or `max_rise` "
            "are judged by `attn-audit compare`.",
        )
