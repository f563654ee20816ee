"""What has to hold of a report as a whole before its numbers say something."""

from collections.abc import Iterator, Sequence

from attn_audit.findings import performance
from attn_audit.findings.metric import Statistic
from attn_audit.findings.rule import Outcome
from attn_audit.policy.judging import Asked, held_against, left_open
from attn_audit.policy.missing import why_missing
from attn_audit.policy.places import where_to_look
from attn_audit.policy.policy import Bound, Policy
from attn_audit.results.finding import Found, find
from attn_audit.results.report import Report
from attn_audit.results.verdict import Judgement, Level

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
        checks = dict.fromkeys(bound.measured.check for bound in bounds)
        for check in checks:
            level = _strictest(bound for bound in bounds if bound.measured.check == check)
            if (covered := report.coverage(check)) is not None:
                yield _covered(report, check, covered, policy.min_coverage, level)
    if policy.min_accuracy is not None:
        yield _accuracy(report, policy.min_accuracy)


def _unfinished(report: Report) -> Judgement:
    """The first shards of an audit are no sample of all."""
    asked = Asked(
        metric="is_complete",
        definition="Whether the audit was finished: 1, or 0.",
        direction="min",
        limit=1.0,
        level=Level.FAIL,
        look_at="Finish the audit with `--resume`.",
    )
    found = Found(0.0, None, report.data.n_examples)
    return left_open(asked, found, "The report is of an audit that is not finished.")


def _examples(report: Report, least: int) -> Judgement:
    n = report.data.n_examples
    asked = Asked(
        metric="min_examples",
        definition="Examples that were audited.",
        direction="min",
        limit=float(least),
        level=Level.FAIL,
        look_at="Audit more examples: a larger split, or a larger `--limit`.",
    )
    return _open_or_passed(asked, Found(float(n), None, n), "So few examples decide nothing.")


def _covered(report: Report, check: str, n: int, least: float, level: Level) -> Judgement:
    n_examples = report.data.n_read
    reasons = [entry for entry in report.degenerate if entry.check == check]
    said = "; ".join(f"{entry.n:,} examples: {entry.meaning}" for entry in reasons)
    asked = Asked(
        metric="min_coverage",
        definition=f"Share of the examples for which the {check} check has a number.",
        direction="min",
        limit=least,
        level=level,
        look_at=f"The degenerate examples of this check: {said or 'none is reported'}.",
        check=check,
    )
    found = Found(n / n_examples if n_examples else 0.0, None, n)
    return _open_or_passed(asked, found, f"The {check} check says nothing about too many examples.")


def _open_or_passed(asked: Asked, found: Found, reason: str) -> Judgement:
    judged = held_against(asked, found)
    return judged if judged.outcome is Outcome.PASS else left_open(asked, found, reason)


def _accuracy(report: Report, least: float) -> Judgement:
    asked = Asked(
        metric="min_accuracy",
        definition=ACCURACY.definition,
        direction="min",
        limit=least,
        level=Level.FAIL,
        look_at=where_to_look(ACCURACY.check, report),
        check=ACCURACY.check,
    )
    found = find(ACCURACY, report)
    if found.estimate is None:
        return left_open(asked, found, *why_missing(ACCURACY, report))
    return held_against(asked, found)


def _strictest(bounds: Iterator[Bound]) -> Level:
    return Level.FAIL if any(bound.level is Level.FAIL for bound in bounds) else Level.WARN
