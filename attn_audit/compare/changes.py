"""How much a number changed: paired over examples, or from two summaries."""

from math import hypot

import numpy as np

from attn_audit.compare.pairing import Pairs
from attn_audit.findings.metric import Averaged, Statistic
from attn_audit.findings.registry import metrics
from attn_audit.results.comparison import Change, ChangedExample
from attn_audit.results.examples import Values
from attn_audit.results.finding import Found, find
from attn_audit.results.report import Report
from attn_audit.statistics.intervals import mean_interval
from attn_audit.statistics.moments import mean, sd
from attn_audit.statistics.resamples import Resamples
from attn_audit.summary import Interval

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
    interval = mean_interval(differences, resamples)
    centre, spread = mean(differences), sd(differences)
    return Change(
        metric=metric.name,
        definition=Statistic(metric).definition,
        base=mean(base[known]),
        new=mean(new[known]),
        difference=centre,
        interval=None if interval is None else Interval(**interval._asdict()),
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
    sides = find(metric, base), find(metric, new)
    before, after = sides
    if before.estimate is None or after.estimate is None:
        return None
    counts = [side.n for side in sides if side.n is not None]
    return Change(
        metric=metric.name,
        definition=metric.definition,
        base=before.estimate,
        new=after.estimate,
        difference=after.estimate - before.estimate,
        interval=newcombe_interval(before, after),
        effect_size=None,
        n=min(counts, default=None),
        n_undefined=None,
        is_paired=False,
    )


def newcombe_interval(base: Found, new: Found) -> Interval | None:
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
        >>> found = newcombe_interval(Found(0.5, half, 100), Found(0.5, half, 100))
        >>> round(found.low, 3), round(found.high, 3)
        (-0.141, 0.141)
    """
    if base.interval is None or new.interval is None:
        return None
    assert base.estimate is not None
    assert new.estimate is not None
    difference = new.estimate - base.estimate
    down = hypot(new.estimate - new.interval.low, base.interval.high - base.estimate)
    up = hypot(new.interval.high - new.estimate, base.estimate - base.interval.low)
    return Interval(low=difference - down, high=difference + up, method="newcombe")


def all_changes(
    base: Report, new: Report, pairs: Pairs | None, resamples: Resamples
) -> tuple[Change, ...]:
    """The change of every mean and share that both reports hold; without pairs, of summaries."""
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
    if find(statistic, base).estimate is None or find(statistic, new).estimate is None:
        return None
    match statistic.metric:
        case Averaged(is_of_examples=True) as metric if pairs is not None and not statistic.suffix:
            return paired_change(metric, pairs, resamples)
        case _:
            return summary_change(statistic, base, new)
