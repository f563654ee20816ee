"""The gate: how requirements and bounds are judged, of a report or of a change, or left open."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from attn_audit.config import DEFAULT_POLICY
from attn_audit.errors import ConfigurationError
from attn_audit.findings import performance
from attn_audit.findings.check import BY_GROUP, TARGET, naming_target
from attn_audit.findings.field import Field
from attn_audit.findings.measure import measure
from attn_audit.findings.metric import ExampleMetric, MeanMetric, ShareMetric, Statistic
from attn_audit.findings.registry import checks, findings_of, measures, metrics, statistics
from attn_audit.findings.rule import WANTED, Outcome, examples_that_would_decide, outcome_of
from attn_audit.judgement.policy import Bound, Guard, Policy
from attn_audit.numbers import count, counted, exact, percent, with_interval
from attn_audit.results.report import Report
from attn_audit.results.verdict import Answer, Judgement, Level, Verdict
from attn_audit.statistics.summary import Estimate, Interval

Obstacle = tuple[str, str]
"""Why a number is not judged, and what to do or look at."""

MAX_NAMED = 3

WIDER = 1.187
"""Times as wide as a 95 % interval is one of 98 %: of five rules that a model is exactly on, any
fails in at most 5 % of the samples (Bonferroni), where it would in 12 %."""


def too_few(bound: Bound, estimate: Estimate, policy: Policy) -> Obstacle | None:
    """Intervals of few examples are too narrow to be believed, whichever way they point."""
    advice = "Audit more examples."
    if bound.measured.has_interval and estimate.interval is None:
        return "A single example has no interval.", advice
    least = policy.min_examples
    if least is None or estimate.n is None or estimate.n >= least:
        return None
    found = counted(estimate.n, "example")
    return f"It rests on {found} alone, and {count(least)} are wanted.", advice


def guarded(guard: Guard | None, report: Report) -> Obstacle | None:
    """A condition holds only if its whole interval does; None: the bound has none."""
    if guard is None:
        return None
    is_share = guard.measured.is_share
    limit = exact(guard.limit, is_share=is_share)
    condition = f"{guard.metric} is {WANTED[guard.direction]} {limit}"
    found = report.estimate_of(guard.measured)
    if found.value is None:
        reason, advice = why_missing(guard.measured, report)
        return f"It says something only where {condition}. {reason}", advice
    if outcome_of(guard.direction, guard.limit, found.value, found.interval) is Outcome.PASS:
        return None
    return (
        f"It says something only where {condition}, and that is "
        f"{with_interval(found.value, found.interval, percent if is_share else 3)}.",
        f"First {guard.metric}: {where_to_look(guard.measured.check, report, guard.metric)}",
    )


def uncovered(bound: Bound, policy: Policy, report: Report) -> Obstacle | None:
    """What a check says of some examples cannot pass for all; failing on them is failing."""
    check, n, least = bound.measured.check, report.data.n_read, policy.min_coverage
    covered = report.coverage_of(bound.measured.metric)
    if least is None or covered is None or covered / n >= least:
        return None
    return (
        f"It would pass on {count(covered)} of {counted(n, 'example')} that the {check} check says "
        "something about: too few of them.",
        "See the degenerate examples of this check, by reason.",
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
    if statistic.check == "data":
        return "The report is of an earlier version, and does not say it.", "Audit again."
    if statistic.metric.needs_labels and report.data.n_labelled == 0:
        return "The data has no labels.", "Audit data with gold labels."
    if statistic.check == "performance":
        return "It is not defined for this task and these labels.", "Bound another number."
    return None


def _without_result(check: str, report: Report) -> Obstacle | None:
    run, because = report.settings.checks, report.model.no_attention_because
    if because is not None and findings_of(check).needs_attention:
        return (
            f"The {check} check takes attention, and none is seen: {because}.",
            "What the report says of other measures.",
        )
    if check not in run:
        of = "data that has a `rationale`" if check == "plausibility" else "again"
        return (
            f"The {check} check was not run (only {', '.join(run)}).",
            f"Audit {of} with `--checks {','.join((*run, check))}`.",
        )
    if not report.has(check):
        return (
            f"The {check} check was started and left no result: it raised an error.",
            "What the audit printed, and `--debug`.",
        )
    return None


def _without_measure(statistic: Statistic, report: Report) -> Obstacle | None:
    check, asked = statistic.check, _measures_of(statistic.check, report)
    missing = [measure(name) for name in statistic.metric.measures if name not in asked]
    if not missing:
        return None
    names, only = [each.name for each in missing], ", ".join(asked) or "none"
    were = "was" if len(missing) == 1 else "were"
    reason = f"It needs {' and '.join(names)}, which {were} not computed (only {only})."
    fields = [each.shown for each in missing if each.shown is not None]
    if fields:
        shown = ",".join((*report.settings.shown, *fields))
        return reason, f"Audit again with `--shown {shown}`, of data that has these scores."
    if check == "erasure" and report.settings.measures is None:  # all were tried
        needs = "; ".join(each.needs for each in missing)
        return reason, f"This model has no such scores, which need {needs}: bound another measure."
    return reason, f"Audit again with `--measures {','.join((*asked, *names))}`."


def _measures_of(check: str, report: Report) -> list[str]:
    """Names of the measures that a check was asked for, or has numbers of."""
    settings = report.settings
    has_all = check == "erasure" and settings.measures is None
    asked = {*(() if has_all else settings.correlated), *(f"shown.{f}" for f in settings.shown)}
    for metric in metrics():
        if metric.check == check and metric.name in report.metrics and has_all:
            asked |= {*metric.measures}
    return [known.name for known in measures() if known.name in asked]


def _without_examples(statistic: Statistic) -> Obstacle:
    values = statistic.metric.values if isinstance(statistic.metric, ExampleMetric) else None
    null = f" A record has none where {values.null}." if isinstance(values, Field) else ""
    return (
        f"The {statistic.check} check has no such number of any example.{null}",
        "See the degenerate examples of this check, by reason.",
    )


def where_to_look(check: str, report: Report, metric: str = "") -> str:
    """The examples that show what a check found, and the parts of the report that part it.

    Args:
        metric: The number of the check that is asked about, where it is one.
    """
    if check == "data":
        return "What `attn-audit check-data MODEL DATA` says of the rows."
    if check == "performance":
        return "In the records, `label` beside `prediction`."
    (findings,) = (found for found in checks() if found.check == check)
    place = f"The {check} section of the report"
    of = next((each for each in findings.telling if each.shows(metric)), None)
    if of is None:
        return f"{place}."
    named = [
        str(example.record["id"])
        for example in report.telling_examples
        if example.reason == of.reason and "id" in example.record
    ]
    parts = f"{place}{_by_groups(metric)}"
    if not named:
        return f"{parts}."
    where = naming_target(of.where, report.settings.explain_label)
    return f"{parts}; examples {where}: {', '.join(named[:MAX_NAMED])}."


def _by_groups(metric: str) -> str:
    """By what the tables of the report part a number, where they do."""
    if metric not in statistics():
        return ""
    of = statistics()[metric].metric
    groups = of.groupings if isinstance(of, ShareMetric) else ()
    if isinstance(of, MeanMetric):
        groups = tuple(of.groups)
    return f", {' and '.join(BY_GROUP[name] for name in groups)}" if groups else ""


SIDES = {
    ("min", Outcome.PASS): "lies at or above",
    ("min", Outcome.FAIL): "lies below",
    ("max", Outcome.PASS): "stays within",
    ("max", Outcome.FAIL): "lies above",
}


@dataclass(frozen=True)
class Measurement:
    """A number that a bound is of, and what is known of it."""

    estimate: Estimate
    definition: str
    look_at: str
    """Where to look if it does not pass."""
    why_missing: Obstacle | None
    """None where there is an estimate."""
    reports: tuple[Report, ...]
    """That it is from, each of which has to fulfil the conditions of a bound."""
    is_same: bool = False
    """Whether it is a change between reports that hold the same numbers of the same texts."""


def bounds_to_judge(policy: Policy, *, of_change: bool) -> tuple[Bound, ...]:
    """The bounds of a policy that are of reports, or of changes between two.

    Raises:
        ConfigurationError: It asks nothing of these, so that any would pass.
    """
    bounds = tuple(bound for bound in policy.bounds if bound.is_of_change == of_change)
    if bounds or (policy.min_accuracy is not None and not of_change):
        return bounds
    of, here, others, command = (
        ("change", ("max_drop", "max_rise"), ("min", "max"), "gate")
        if of_change
        else ("number of a report", ("min", "max"), ("max_drop", "max_rise"), "compare")
    )
    raise ConfigurationError(
        f"the policy {policy.name} bounds no {of}, so any would pass",
        hint=f"Give it a [[bound]] with `{here[0]}` or `{here[1]}`. Bounds with `{others[0]}` or "
        f"`{others[1]}` are judged by `attn-audit {command}`.",
    )


def judge_bound(bound: Bound, measurement: Measurement, policy: Policy) -> Judgement:
    """Hold a number against a bound: it passes only measured, on enough examples, of enough texts.

    Too few examples, and a condition that one of the reports does not fulfil, leave it open; what
    a check says of too small a part of the examples cannot pass, and can fail. Between reports that
    hold the same numbers the change is 0, which is no estimate: of it nothing more is asked.
    """
    estimate, reports = measurement.estimate, measurement.reports
    asked = Judgement(
        metric=bound.metric,
        definition=measurement.definition,
        direction=bound.direction,
        limit=bound.limit,
        level=bound.level,
        outcome=Outcome.INCONCLUSIVE,
        estimate=estimate.value,
        interval=estimate.interval,
        n=estimate.n,
        reason="",
        look_at=measurement.look_at,
        check=bound.measured.check,
        why=bound.why,
    )
    if measurement.is_same:
        return held_against(asked, reports)
    obstacle = measurement.why_missing or _first(
        (too_few(bound, estimate, policy), *(guarded(bound.only_if, r) for r in reports))
    )
    if obstacle is not None:
        return left_open(asked, *obstacle)
    judgement = held_against(asked, reports)
    obstacle = _first(uncovered(bound, policy, report) for report in reports)
    if judgement.outcome is Outcome.PASS and obstacle is not None:
        return left_open(asked, *obstacle)
    return judgement


def _first(obstacles: Iterable[Obstacle | None]) -> Obstacle | None:
    return next((obstacle for obstacle in obstacles if obstacle is not None), None)


def held_against(asked: Judgement, reports: tuple[Report, ...] = ()) -> Judgement:
    """Hold a number that was measured against what is asked of it: the judgement that is open.

    Args:
        reports: That the number is of, whose examples would be more; of a change both.
    """
    value, interval, direction = asked.estimate, asked.interval, asked.direction
    assert value is not None, "what was not measured is `left_open`"
    limit = exact(asked.limit, is_share=asked.is_share and len(reports) < 2)
    outcome = outcome_of(direction, asked.limit, value, _asked_for(asked))
    alone = outcome_of(direction, asked.limit, value, interval)
    if alone is not outcome:
        reason = (
            f"The interval {SIDES[direction, alone]} {limit}, and one {WIDER:g} times as wide, "
            "which a No asks for, straddles it: these examples cannot decide."
        )
    elif outcome is Outcome.INCONCLUSIVE:
        reason = f"The interval straddles {limit}: these examples cannot decide."
    else:
        what = "It" if interval is None else "The whole interval"
        reason = f"{what} {SIDES[direction, outcome]} {limit}."
    look_at = _advice(asked, outcome, reports)
    return asked.model_copy(update={"outcome": outcome, "reason": reason, "look_at": look_at})


def _asked_for(judged: Judgement) -> Interval | None:
    """The interval that decides: a wider one where each of several rules alone may answer No."""
    value, interval = judged.estimate, judged.interval
    if value is None or interval is None or judged.level is not Level.NO:
        return interval
    if outcome_of(judged.direction, judged.limit, value, None) is not Outcome.FAIL:
        return interval
    low, high = (value + WIDER * (end - value) for end in (interval.low, interval.high))
    return Interval(low=low, high=high, method=interval.method)


def examples_needed(judged: Judgement) -> int | None:
    """About how many would decide what straddles its limit; None: it is all but on the limit."""
    value, interval, n = judged.estimate, _asked_for(judged), judged.n
    if value is None or interval is None or n is None:
        return None
    return examples_that_would_decide(judged.limit, value, interval, n)


def left_open(asked: Judgement, reason: str, look_at: str | None = None) -> Judgement:
    """Say why a number is not judged; `look_at` stands in place of where to look."""
    return asked.model_copy(update={"reason": reason, "look_at": look_at or asked.look_at})


def _advice(asked: Judgement, outcome: Outcome, reports: tuple[Report, ...]) -> str:
    if outcome is Outcome.PASS:
        return ""
    if outcome is Outcome.FAIL or asked.interval is None or asked.n is None:
        return asked.look_at
    needed = examples_needed(asked)
    unread = max((report.data.n_not_drawn for report in reports), default=0)
    more = f" `--limit` left out {counted(unread, 'example')}." if unread else ""
    if needed is None:
        return f"The number is all but on the limit.{more} {asked.look_at}"
    of_each = " in each report" if len(reports) > 1 else ""
    said = f"About {needed:,} examples{of_each} would decide, if the number stays."
    return f"{said}{more} {asked.look_at}"


def verdict_of(
    policy: Policy,
    subject: str,
    judgements: Iterable[Judgement],
    today: date | None,
    answer: Answer | None = None,
) -> Verdict:
    """All judgements, with the waivers in force today; of the expired ones they say so."""
    day, waivers = today or date.today(), {waiver.metric: waiver for waiver in policy.waivers}

    def waived(judgement: Judgement) -> Judgement:
        waiver = waivers.get(judgement.metric)
        if waiver is None:
            return judgement
        if judgement.outcome is Outcome.PASS:
            more = "Its waiver is not needed."
        elif day > waiver.expires:
            more = f"Its waiver expired on {waiver.expires}."
        else:
            return judgement.model_copy(update={"waiver": waiver})
        return judgement.model_copy(update={"reason": f"{judgement.reason} {more}"})

    return Verdict(
        policy=policy.name,
        policy_sha256=policy.sha256,
        subject=subject,
        answer=answer,
        is_of_rules=policy.name == DEFAULT_POLICY,
        judgements=tuple(map(waived, judgements)),
    )


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
        look_at=where_to_look(statistic.check, report, statistic.metric.name),
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
                levels = [bound.level for bound in of_check]
                strictest = next((level for level in levels if level.decides), levels[0])
                yield _covered(report, check, covered, policy.min_coverage, strictest)
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
