"""The gate: every requirement and bound of a policy, held against a report."""

from collections.abc import Iterator, Sequence
from datetime import date

from attn_audit.findings import performance
from attn_audit.findings.check import TARGET, naming_target
from attn_audit.findings.metric import Statistic
from attn_audit.findings.rule import Outcome
from attn_audit.judgement.bounds import (
    Measurement,
    bounds_to_judge,
    held_against,
    judge_bound,
    left_open,
    verdict_of,
    where_to_look,
    why_missing,
)
from attn_audit.judgement.policy import Bound, Policy
from attn_audit.numbers import count, counted
from attn_audit.results.report import Report
from attn_audit.results.verdict import Judgement, Level, Verdict
from attn_audit.statistics.summary import Estimate


def judge(report: Report, policy: Policy, today: date | None = None) -> Verdict:
    """Hold a report against a policy.

    A bound passes only if its number was measured, on enough examples, and all of its 95 % interval
    is on the right side. Bounds of changes are for `compare` and are left out.

    Args:
        today: Waivers hold through their last day; None: the day it is.

    Raises:
        ConfigurationError: The policy asks nothing of a report, so that everything would pass.
    """
    bounds = bounds_to_judge(policy, of_change=False)
    judgements = (
        *judge_requirements(report, policy, bounds),
        *(judge_bound(bound, _measured(bound, report), policy) for bound in bounds),
    )
    subject = f"{report.model.source} on {report.data.name}"
    if (label := report.settings.explain_label) is not None:
        subject += naming_target(f", for {TARGET}", label)
    return verdict_of(policy, subject, judgements, today, report.answer)


def _measured(bound: Bound, report: Report) -> Measurement:
    statistic = bound.measured
    estimate = report.estimate_of(statistic)
    return Measurement(
        estimate=estimate,
        definition=statistic.definition,
        look_at=where_to_look(statistic.check, report),
        why_missing=why_missing(statistic, report) if estimate.value is None else None,
        reports=(report,),
    )


ACCURACY = Statistic(performance.ACCURACY)


def judge_requirements(
    report: Report, policy: Policy, bounds: Sequence[Bound]
) -> Iterator[Judgement]:
    """Judge `min_examples`, `min_coverage` of every bounded check, and `min_accuracy`.

    Too few examples, or too many that a check says nothing about, is no failure of the model:
    these are inconclusive where they do not pass.
    """
    if not report.data.is_complete:
        yield _unfinished(report)
    if policy.min_examples is not None:
        yield _examples(report, policy.min_examples)
    if policy.min_coverage is not None:
        for check in dict.fromkeys(bound.measured.check for bound in bounds):
            of_check = [bound for bound in bounds if bound.measured.check == check]
            counts = [report.coverage_of(bound.measured.metric) for bound in of_check]
            covered = min((n for n in counts if n is not None), default=None)
            if covered is not None:
                yield _covered(report, check, covered, policy.min_coverage, _strictest(of_check))
    if policy.min_accuracy is not None:
        yield _accuracy(report, policy.min_accuracy)


def _required(
    metric: str,
    definition: str,
    least: float,
    found: Estimate,
    look_at: str,
    level: Level = Level.FAIL,
    check: str | None = None,
) -> Judgement:
    """A requirement, before it is judged."""
    return Judgement(
        metric=metric, definition=definition, direction="min", limit=least, level=level,
        outcome=Outcome.INCONCLUSIVE, estimate=found.value, interval=found.interval, n=found.n,
        reason="", look_at=look_at, check=check,
    )  # fmt: skip


def _unfinished(report: Report) -> Judgement:
    """The first shards of an audit are no sample of all."""
    definition = "Whether the audit was finished: 1, or 0."
    found, look_at = Estimate(0.0, report.data.n_examples), "Finish the audit with `--resume`."
    asked = _required("is_complete", definition, 1.0, found, look_at)
    return left_open(asked, "The report is of an audit that is not finished.")


def _examples(report: Report, least: int) -> Judgement:
    n = report.data.n_examples
    look_at = "Audit more examples: a larger split, or a larger `--limit`."
    found, definition = Estimate(float(n), n), "Examples that were audited."
    asked = _required("min_examples", definition, float(least), found, look_at)
    reason = f"Nothing is decided by {counted(n, 'example')}: {count(least)} are wanted."
    return _open_or_passed(asked, reason)


def _covered(report: Report, check: str, n: int, least: float, level: Level) -> Judgement:
    n_examples = report.data.n_read
    reasons = [entry for entry in report.degenerate if entry.check == check]
    said = "; ".join(f"{counted(entry.n, 'example')}: {entry.meaning}" for entry in reasons)
    asked = _required(
        "min_coverage",
        f"Share of the examples for which the {check} check has a number.",
        least,
        Estimate(n / n_examples if n_examples else 0.0, n),
        f"The degenerate examples of this check: {said or 'none is reported'}.",
        level,
        check,
    )
    return _open_or_passed(asked, f"The {check} check says nothing about too many examples.")


def _open_or_passed(asked: Judgement, reason: str) -> Judgement:
    judged = held_against(asked)
    return judged if judged.outcome is Outcome.PASS else left_open(asked, reason)


def _accuracy(report: Report, least: float) -> Judgement:
    check, found = ACCURACY.check, report.estimate_of(ACCURACY)
    look_at = where_to_look(check, report)
    asked = _required("min_accuracy", ACCURACY.definition, least, found, look_at, check=check)
    if found.value is None:
        return left_open(asked, *why_missing(ACCURACY, report))
    return held_against(asked)


def _strictest(bounds: Sequence[Bound]) -> Level:
    levels = [bound.level for bound in bounds]
    return next((level for level in levels if level.decides), levels[0])
