"""How much a number changed, paired over examples or from two summaries."""

from math import hypot

import numpy as np

from attn_audit.findings.metric import Averaged, Statistic
from attn_audit.findings.registry import metrics
from attn_audit.judgement.bounds import MAX_NAMED, Measurement, where_to_look, why_missing
from attn_audit.judgement.comparability import Pairs
from attn_audit.results.report import Report
from attn_audit.results.table import Values
from attn_audit.results.verdict import Change, ChangedExample
from attn_audit.statistics.estimate import NOT_MEASURED, Estimate, Interval
from attn_audit.statistics.intervals import Resamples, mean, mean_interval, sd

N_MOST_CHANGED = 5


def paired_change(metric: Averaged, pairs: Pairs, resamples: Resamples) -> Change | None:
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
        is_given = pairs is None or not isinstance(metric, Averaged) or metric.is_of_examples
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
        case Averaged(is_of_examples=True) as metric if pairs is not None and not statistic.suffix:
            return paired_change(metric, pairs, resamples)
        case _:
            return summary_change(statistic, base, new)


def measured(statistic: Statistic, change: Change | None, base: Report, new: Report) -> Measurement:
    """A change as policies bound it; None: a report does not hold it."""
    estimate, look_at = NOT_MEASURED, where_to_look(statistic.check, new)
    if change is not None:
        estimate = Estimate(change.difference, change.n, change.interval)
        if change.most_changed:
            named = ", ".join(example.id for example in change.most_changed[:MAX_NAMED])
            look_at = f"The examples that changed most: {named}."
    return Measurement(
        estimate=estimate,
        definition=f"Change, new minus base. {statistic.definition}",
        look_at=look_at,
        why_missing=_why_missing(statistic, base, new) if change is None else None,
        reports=(base, new),
    )


def _why_missing(statistic: Statistic, base: Report, new: Report) -> tuple[str, str]:
    for name, report in (("base", base), ("new", new)):
        if report.estimate_of(statistic).value is None:
            reason, advice = why_missing(statistic, report)
            return f"The {name} report does not hold it. {reason}", advice
    return "No example has it in both reports.", "The degenerate examples of both."
