"""Every requirement and bound of a policy, held against a report."""

from datetime import date

from attn_audit.gate.requirements import judge_requirements
from attn_audit.policy.conditions import where_to_look, why_missing
from attn_audit.policy.judging import Measurement, bounds_to_judge, judge_bound, verdict_of
from attn_audit.policy.policy import Bound, Policy
from attn_audit.results.finding import find
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
    bounds = bounds_to_judge(policy, of_change=False)
    judgements = (
        *judge_requirements(report, policy, bounds),
        *(judge_bound(bound, _measured(bound, report), policy) for bound in bounds),
    )
    return verdict_of(policy, f"{report.model.source} on {report.data.name}", judgements, today)


def _measured(bound: Bound, report: Report) -> Measurement:
    statistic = bound.measured
    estimate = find(statistic, report)
    return Measurement(
        estimate=estimate,
        definition=statistic.definition,
        look_at=where_to_look(statistic.check, report),
        why_missing=why_missing(statistic, report) if estimate.value is None else None,
        reports=(report,),
    )
