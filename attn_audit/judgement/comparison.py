"""Comparing two reports: what changed, how much, and did the new release get worse?"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from math import hypot
from pathlib import Path

import numpy as np

from attn_audit.errors import ComparisonRefusedError
from attn_audit.findings import attended, performance, permutation
from attn_audit.findings.check import TARGET, naming_target
from attn_audit.findings.correlation_pairs import OF_TWINS
from attn_audit.findings.example import PREDICTION
from attn_audit.findings.metric import ExampleMetric, Statistic
from attn_audit.findings.registry import metrics
from attn_audit.judgement.comparability import (
    SUMMARIES_ALONE,
    Pairs,
    harmless,
    have_same_numbers,
    of_data,
    pair,
    require_comparable,
)
from attn_audit.judgement.gate import (
    MAX_NAMED,
    Measurement,
    Obstacle,
    bounds_to_judge,
    judge_bound,
    verdict_of,
    where_to_look,
    why_missing,
)
from attn_audit.judgement.policy import Policy
from attn_audit.judgement.recommendation import still_recommended
from attn_audit.numbers import number, percent
from attn_audit.results.report import Report
from attn_audit.results.stored_records import open_records
from attn_audit.results.table import Values
from attn_audit.results.verdict import Change, ChangedExample, Comparison, Side, Verdict
from attn_audit.statistics.intervals import Resamples, mean, mean_interval, sd
from attn_audit.statistics.summary import NOT_MEASURED, Estimate, Interval

N_MOST_CHANGED = 5


def paired_change(metric: ExampleMetric, pairs: Pairs, resamples: Resamples) -> Change | None:
    """The mean difference of an example's number, new minus base.

    Returns:
        The change over the examples that have the number in both; None where there is none.

    Source:
        Cohen (1988), "Statistical Power Analysis for the Behavioral Sciences", section 2.3.5: d_z,
        the mean over the standard deviation of the differences.
    """
    base, new = pairs.values(metric)
    known = np.flatnonzero(~np.isnan(base) & ~np.isnan(new))
    if len(known) == 0:
        return None
    differences = new[known] - base[known]
    centre, spread = mean(differences), sd(differences)
    return Change(
        metric=metric.name,
        definition=Statistic(metric).definition,
        base=mean(base[known]),
        new=mean(new[known]),
        difference=centre,
        interval=mean_interval(differences, resamples),
        effect_size=centre / spread if spread else None,
        n=len(known),
        n_undefined=len(base) - len(known),
        is_paired=True,
        most_changed=_most_changed(pairs, known, base, new),
    )


def _most_changed(
    pairs: Pairs, known: np.ndarray, base: Values, new: Values
) -> tuple[ChangedExample, ...]:
    """The largest differences first; of equal ones, in the order of the ids."""
    sizes = np.abs(new - base)
    changed = [i for i in known.tolist() if sizes[i] > 0]
    largest = sorted(changed, key=lambda i: (-sizes[i], pairs.ids[i]))[:N_MOST_CHANGED]
    return tuple(
        ChangedExample(id=pairs.ids[i], base=float(base[i]), new=float(new[i]), text=pairs.text(i))
        for i in largest
    )


def without_texts(found: Comparison) -> Comparison:
    """The same without a word of the texts: the examples that changed are told by their ids."""

    def hidden(change: Change) -> Change:
        told = (each.model_copy(update={"text": None}) for each in change.most_changed)
        return change.model_copy(update={"most_changed": tuple(told)})

    return found.model_copy(update={"changes": tuple(map(hidden, found.changes))})


def summary_change(metric: Statistic, base: Report, new: Report) -> Change | None:
    """The difference of a number of two reports whose examples are not matched.

    Returns:
        The change; None where one of the reports does not hold the number.
    """
    before, after = base.estimate_of(metric), new.estimate_of(metric)
    if before.value is None or after.value is None:
        return None
    counts = [side.n for side in (before, after) if side.n is not None]
    return Change(
        metric=metric.name,
        definition=metric.definition,
        base=before.value,
        new=after.value,
        difference=after.value - before.value,
        interval=newcombe_interval(before, after),
        effect_size=None,
        n=min(counts, default=None),
        n_undefined=None,
        is_paired=False,
    )


def newcombe_interval(base: Estimate, new: Estimate) -> Interval | None:
    """95 % interval of the difference of two independent estimates, from the intervals of both.

    The distances of each estimate to its ends are added as squares. Of the same examples it is too
    wide rather than too narrow, as long as examples that are high in one are high in the other.

    Returns:
        The interval of new minus base; None where one has no interval.

    Source:
        Newcombe (1998), "Interval estimation for the difference between independent proportions",
        method 10; for means Zou & Donner (2008), "Construction of confidence limits about effect
        measures".

    Example:
        >>> half = Interval(low=0.4, high=0.6, method="wilson")
        >>> found = newcombe_interval(Estimate(0.5, 100, half), Estimate(0.5, 100, half))
        >>> round(found.low, 3), round(found.high, 3)
        (-0.141, 0.141)
    """
    (before, _, old), (after, _, now) = base, new
    if before is None or after is None or old is None or now is None:
        return None
    difference = after - before
    down = hypot(after - now.low, old.high - before)
    up = hypot(now.high - after, before - old.low)
    return Interval(low=difference - down, high=difference + up, method="newcombe")


def all_changes(
    base: Report, new: Report, pairs: Pairs | None, resamples: Resamples
) -> tuple[Change, ...]:
    """The change of every mean and share that both reports hold."""
    found = []
    for metric in metrics():
        is_given = pairs is None or not isinstance(metric, ExampleMetric) or metric.is_of_examples
        if metric.has_interval and is_given:
            found.append(change_of(Statistic(metric), base, new, pairs, resamples))
    return tuple(change for change in found if change is not None)


def change_of(
    statistic: Statistic, base: Report, new: Report, pairs: Pairs | None, resamples: Resamples
) -> Change | None:
    """The change of one number, paired where the records allow it."""
    if any(report.estimate_of(statistic).value is None for report in (base, new)):
        return None
    match statistic.metric:
        case ExampleMetric(is_of_examples=True) as metric if (
            pairs is not None and not statistic.suffix
        ):
            return paired_change(metric, pairs, resamples)
        case _:
            return summary_change(statistic, base, new)


def measured(statistic: Statistic, change: Change | None, base: Report, new: Report) -> Measurement:
    """A change as policies bound it; None: a report does not hold it."""
    estimate, look_at = NOT_MEASURED, where_to_look(statistic.check, new, statistic.metric.name)
    is_same = change is not None and change.difference == 0 and have_same_numbers(base, new)
    if change is not None:
        estimate = Estimate(change.difference, change.n, None if is_same else change.interval)
        if change.most_changed:
            named = ", ".join(example.id for example in change.most_changed[:MAX_NAMED])
            look_at = f"The examples that changed most: {named}."
    return Measurement(
        estimate=estimate,
        definition=f"Change, new minus base. {statistic.definition}",
        look_at=look_at,
        why_missing=_why_missing(statistic, base, new) if change is None else None,
        reports=(base, new),
        is_same=is_same,
    )


def _why_missing(statistic: Statistic, base: Report, new: Report) -> Obstacle:
    for name, report in (("base", base), ("new", new)):
        if report.estimate_of(statistic).value is None:
            reason, advice = why_missing(statistic, report)
            return f"The {name} report does not hold it. {reason}", advice
    return "No example has it in both reports.", "The degenerate examples of both."


NOTICEABLE = 0.01
"""A change of a share, of a tau, or of margins as a part of themselves, below which it is none."""

SCALE_FREE = (
    attended.EFFECT, attended.SMALL_EFFECT, attended.TOP_UNIT, attended.POLARITY, attended.AGAINST,
    attended.UNATTENDED, permutation.JSD, permutation.TURNED, permutation.HALF, permutation.REACH,
    *OF_TWINS.values(),
)  # fmt: skip
"""Numbers that a factor on all logits leaves as they are."""


def what_changed(changes: Sequence[Change], pairs: Pairs | None) -> str | None:
    """Tell calibration from attention, in a sentence.

    Returns:
        None where one of the reports does not say how wide its margins are.
    """
    of = {change.metric: change for change in changes}
    margin = of.get(performance.MARGIN.name)
    if margin is None or not margin.base:
        return None
    names = [metric.name for metric in SCALE_FREE if _has_changed(of, metric.name)]
    turned = 0.0 if pairs is None else _share_turned(pairs)
    if turned >= NOTICEABLE:
        names.insert(0, f"{percent(turned)} of the decisions")
    wide = f"margins are {number(margin.new / margin.base)} times as wide"
    named = f"{', '.join(names[:MAX_NAMED])}{', ...' if len(names) > MAX_NAMED else ''}"
    match _has_changed(of, margin.metric, abs(margin.base)), bool(names):
        case True, False:
            return (
                f"Calibration moved, attention did not: {wide}, and decisions, rankings and shares "
                "of the margin stayed. Distances of outputs follow the margins, and say nothing of "
                "attention here."
            )
        case True, True:
            return f"Attention changed ({named}), and calibration moved as well: {wide}."
        case False, True:
            return f"Attention changed ({named}); calibration did not move."
        case _:
            return "Neither attention nor calibration changed by more than chance would."


def _has_changed(changes: Mapping[str, Change], name: str, unit: float = 1.0) -> bool:
    change = changes.get(name)
    return (
        change is not None
        and change.is_beyond_chance
        and abs(change.difference) >= NOTICEABLE * unit
    )


def _share_turned(pairs: Pairs) -> float:
    before, after = pairs.base.answers(PREDICTION), pairs.new.answers(PREDICTION)[pairs.places]
    differs = before != after
    return float((differs.any(axis=1) if differs.ndim > 1 else differs).mean())


def compare_reports(
    reports: tuple[Report, Report],
    paths: tuple[Path, Path],
    policy: Policy | None,
    *,
    allow_different_data: bool = False,
    today: date | None = None,
) -> Comparison:
    """Compare two reports: paired example by example where both have records.

    Args:
        policy: Bounds changes; None: nothing is judged.
        today: Waivers hold through their last day; None: the day it is.

    Raises:
        RecordsError: The records of one are missing, malformed or changed.
        ComparisonRefusedError: Task, definitions, settings or data differ.
        ConfigurationError: The policy bounds no change.
    """
    bounds = () if policy is None else bounds_to_judge(policy, of_change=True)
    require_comparable(*reports, allow_different_data=allow_different_data)
    resamples = Resamples(reports[0].settings.seed)
    why_unpaired = _why_unpaired(*reports, allow_different_data=allow_different_data)
    with ExitStack() as stack:
        pairs = None if why_unpaired else _paired(stack, reports, paths)
        changes = {
            bound.metric: change_of(bound.measured, *reports, pairs, resamples) for bound in bounds
        }
        found = all_changes(*reports, pairs, resamples)
        return Comparison(
            base=_side(reports[0], paths[0]),
            new=_side(reports[1], paths[1]),
            n_pairs=None if pairs is None else len(pairs.ids),
            why_unpaired=why_unpaired,
            notes=tuple(_notes(*reports, allow_different_data=allow_different_data)),
            happened=what_changed(found, pairs),
            recommended=still_recommended(*(report.recommendation for report in reports)),
            changes=found,
            verdict=None if policy is None else judge_changes(*reports, changes, policy, today),
        )


def judge_changes(
    base: Report,
    new: Report,
    changes: Mapping[str, Change | None],
    policy: Policy,
    today: date | None,
) -> Verdict:
    """Hold every change that a policy bounds against its limit, by the rule of the gate.

    Raises:
        ConfigurationError: The policy bounds no change, so that everything would pass.
    """
    judgements = (
        judge_bound(bound, measured(bound.measured, changes[bound.metric], base, new), policy)
        for bound in bounds_to_judge(policy, of_change=True)
    )
    subject = f"{new.model.source} against {base.model.source} on {new.data.name}"
    return verdict_of(policy, subject, judgements, today)


def _paired(stack: ExitStack, reports: tuple[Report, Report], paths: tuple[Path, Path]) -> Pairs:
    otherwise = f"Or {SUMMARIES_ALONE}."
    opened = (
        open_records(r, path, otherwise=otherwise) for r, path in zip(reports, paths, strict=True)
    )
    base, new = (stack.enter_context(records.columns()) for records in opened)
    return pair((paths[0], base), (paths[1], new))


def _why_unpaired(base: Report, new: Report, *, allow_different_data: bool) -> str | None:
    """Why summaries alone are compared; None where examples can be matched.

    Raises:
        ComparisonRefusedError: Without records and hashes nothing says that the data is the same.
    """
    if allow_different_data:
        return "Different data was allowed, so the summaries alone are compared."
    without = [name for name, r in (("base", base), ("new", new)) if r.records_file is None]
    if not without:
        return None
    if base.data.sha256 is None or new.data.sha256 is None:
        raise ComparisonRefusedError(
            "nothing says that the reports are of the same data: they have neither records nor a "
            "hash of it",
            hint=f"Audit with `--records`, or {SUMMARIES_ALONE}.",
        )
    named = " and the ".join(without)
    return (
        f"Unpaired: the {named} report has no records (`--records`), so the intervals are wider "
        "than they need to be and no example can be named."
    )


def _notes(base: Report, new: Report, *, allow_different_data: bool) -> Iterator[str]:
    """What differs and was no reason to refuse, and which label both explain."""
    if (label := base.settings.explain_label) is not None:
        yield naming_target(f"both explain {TARGET}, whatever is predicted", label)
    if allow_different_data:
        yield from of_data(base, new)
    yield from harmless(base, new)


def _side(report: Report, path: Path) -> Side:
    return Side(
        report=str(path),
        model=report.model.source,
        model_sha256=report.model.digest,
        data=report.data.name,
        n_examples=report.data.n_examples,
    )
