"""How well a model works: explanations of a model that does not work explain nothing."""

from collections.abc import Iterable
from math import exp, hypot, log, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Integer, UInt8

from attn_audit.statistics import intervals
from attn_audit.statistics.intervals import (
    LARGEST_BOOTSTRAP_N,
    Resamples,
    Z,
    normal_interval,
    percentiles,
    require_finite,
)
from attn_audit.statistics.summary import Interval


def roc_auc(
    is_positive: Bool[np.ndarray, " example"], score: Float[np.ndarray, " example"]
) -> float | None:
    """Area under the ROC curve, 0 to 1: how often a positive scores above a negative example.

    0.5 is chance. A tie counts half.

    Returns:
        The area; None where all examples are of one class.

    Raises:
        ValueError: A score is NaN or infinite.

    Source:
        Mann & Whitney (1947): U / (positives * negatives), from mean ranks.

    Example:
        >>> roc_auc(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.4, 0.1]))
        0.875
    """
    require_finite(score)
    n_positive = int(is_positive.sum())
    n_pairs = n_positive * (len(score) - n_positive)
    if n_pairs == 0:
        return None
    rank_sum = float(mean_ranks(score)[is_positive].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / n_pairs


def macro_roc_auc(
    gold: Bool[np.ndarray, "example label"], scores: Float[np.ndarray, "example label"]
) -> float | None:
    """Mean over labels of the area under the ROC curve, 0 to 1, each label against the rest.

    Returns:
        The mean over the labels that some but not all examples have; None where there are none.

    Raises:
        ValueError: A score is NaN or infinite.

    Example:
        >>> gold = np.array([[True, False, False], [False, True, False]])
        >>> macro_roc_auc(gold, np.array([[0.7, 0.3, 0.0], [0.4, 0.6, 0.0]]))
        1.0
    """
    areas = [roc_auc(label, score) for label, score in zip(gold.T, scores.T, strict=True)]
    defined = [area for area in areas if area is not None]
    return sum(defined) / len(defined) if defined else None


def mean_ranks(score: Float[np.ndarray, " example"]) -> Float[np.ndarray, " example"]:
    """Ranks from 1; equal scores share the mean of the ranks that they take up."""
    _, group, sizes = np.unique(score, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[group]


def micro_f1(
    gold: Bool[np.ndarray, "example label"], predicted: Bool[np.ndarray, "example label"]
) -> float | None:
    """F1 over all labels of all examples together, 0 to 1: frequent labels count most.

    Returns:
        Twice the labels found over those that there are and those predicted; None without either.

    Example:
        >>> micro_f1(np.array([[True, True]]), np.array([[True, False]]))
        0.6666666666666666
    """
    found, claimed = _counts(gold, predicted)
    return float(2 * found.sum() / claimed.sum()) if claimed.any() else None


def constant_f1(gold: Bool[np.ndarray, "example label"]) -> float | None:
    """Micro F1 of always giving the most frequent label alone.

    Example:
        >>> constant_f1(np.array([[True, False], [True, True]]))
        0.8
    """
    constant = np.zeros_like(gold)
    constant[:, gold.sum(axis=0).argmax()] = True
    return micro_f1(gold, constant)


def macro_f1(
    gold: Bool[np.ndarray, "example label"], predicted: Bool[np.ndarray, "example label"]
) -> float | None:
    """Mean over labels of F1, 0 to 1: every label counts the same, however rare it is.

    Returns:
        The mean over the labels that some example has or is given; None where there are none.

    Example:
        >>> gold = np.array([[True, True, False], [True, False, False]])
        >>> macro_f1(gold, np.array([[True, False, False], [True, False, False]]))
        0.5
    """
    found, claimed = _counts(gold, predicted)
    occurs = claimed > 0
    return float(np.mean(2 * found[occurs] / claimed[occurs])) if occurs.any() else None


def f1_interval(
    gold: Bool[np.ndarray, "example label"],
    predicted: Bool[np.ndarray, "example label"],
    resamples: Resamples,
    *,
    micro: bool = False,
) -> Interval | None:
    """Confidence interval of macro or micro F1 over examples, 0 to 1.

    Percentile bootstrap: F1 of the same examples drawn anew, labels that a draw lacks left out of
    its mean. Above 5,000 examples the normal approximation, by how much each example moves F1.

    Returns:
        The interval; None for fewer than two examples, or without any label.

    Source:
        Efron & Tibshirani (1993), "An Introduction to the Bootstrap", section 13.3.
    """
    found = (gold & predicted).astype(np.uint8)
    claimed = gold.astype(np.uint8) + predicted
    if micro:
        found, claimed = (_whole(counts) for counts in (found, claimed))
    if len(gold) < 2 or not claimed.any():
        return None
    if len(gold) > LARGEST_BOOTSTRAP_N:
        return _normal_f1_interval(found, claimed)
    order = np.lexsort(np.concatenate([found, claimed], axis=1).T)  # that of the data says nothing
    drawn = _mean_f1(resamples.totals(found[order]), resamples.totals(claimed[order]))
    return percentiles(drawn[~np.isnan(drawn)])


Counts = Integer[np.ndarray, "example label"]


def _whole(counts: UInt8[np.ndarray, "example label"]) -> Int[np.ndarray, "example 1"]:
    """All labels as one; an example may have more of them than 255."""
    whole: np.ndarray = counts.sum(axis=1, dtype=np.int64, keepdims=True)
    return whole


def _mean_f1(
    found: Float[np.ndarray, "resample label"], claimed: Float[np.ndarray, "resample label"]
) -> Float64[np.ndarray, " resample"]:
    """Of each draw, over the labels that it has; NaN where it has none."""
    occurs = claimed > 0
    f1 = np.divide(2 * found, claimed, out=np.zeros(found.shape), where=occurs)
    n_labels = occurs.sum(axis=1)
    mean: np.ndarray = np.divide(
        f1.sum(axis=1), n_labels, out=np.full(len(f1), np.nan), where=n_labels > 0
    )
    return mean


def _normal_f1_interval(found: Counts, claimed: Counts) -> Interval:
    """F1 is a mean of ratios: an example moves each by its distance from it, over the whole."""
    totals = claimed.sum(axis=0, dtype=np.int64)
    moved, f1s = np.zeros(len(found)), []
    for label in np.flatnonzero(totals):
        f1 = 2 * found[:, label].sum(dtype=np.int64) / totals[label]
        moved += (2.0 * found[:, label] - f1 * claimed[:, label]) / totals[label]
        f1s.append(f1)
    n = len(found)
    spread = sqrt(float((moved**2).sum()) * n / (n - 1)) * sqrt(n) / len(f1s)
    return normal_interval(float(np.mean(f1s)), spread, n, (0.0, 1.0))


def _counts(
    gold: Bool[np.ndarray, "example label"], predicted: Bool[np.ndarray, "example label"]
) -> tuple[Int[np.ndarray, " label"], Int[np.ndarray, " label"]]:
    """How often each label is found, and how often it is there or predicted, both counted."""
    return (gold & predicted).sum(axis=0), gold.sum(axis=0) + predicted.sum(axis=0)


ROUNDING = 1e-12
"""Placements that differ by less do not differ."""

N_BISECTIONS = 60


class Area(NamedTuple):
    """The mean area under the ROC curves of some labels, 0 to 1."""

    value: float
    interval: Interval


def mean_area(
    labels: Iterable[tuple[Bool[np.ndarray, " example"], Float64[np.ndarray, " example"]]],
) -> Area | None:
    """Mean over labels of the area under the ROC curve, and its confidence interval.

    Of every example DeLong's variance knows by how much it moves an area. Labels share their
    examples, so an example's part in the mean is the mean of its parts in each label: what two
    labels have in common is counted. The interval is symmetric on the scale of the log-odds, so
    that it stays within 0 and 1 and covers as often near 1 as elsewhere.

    An area has no such variance where it is 0 or 1, where all scores tie, and where one example
    alone is of a class. There its distance to the ends of Newcombe's interval stands in, which like
    Wilson's evaluates the variance at the border itself and says something at 1 as well; labels of
    which only that is known count as independent.

    Args:
        labels: Which examples have the label, and scores that rise with the belief in it; all of
            the same examples. Labels that all examples have, or none, are left out of the mean.

    Returns:
        The area; None where no label has both classes.

    Raises:
        ValueError: A score is NaN or infinite.

    Source:
        DeLong, DeLong & Clarke-Pearson (1988), "Comparing the areas under two or more correlated
        receiver operating characteristic curves"; from mean ranks: Sun & Xu (2014). On the logit
        scale: Pepe (2003), "The Statistical Evaluation of Medical Tests", section 5.2.5. Without a
        variance: Newcombe (2006), "Confidence intervals for an effect size measure based on the
        Mann-Whitney statistic. Part 2", method 5.

    Example:
        >>> has_label = np.array([True, True, True, False, False, False])
        >>> area, interval = mean_area([(has_label, np.array([0.9, 0.6, 0.4, 0.5, 0.2, 0.1]))])
        >>> round(area, 3), round(interval.low, 3), round(interval.high, 3), interval.method
        (0.889, 0.261, 0.995, 'delong')
    """
    areas: list[float] = []
    moved: Float64[np.ndarray, " example"] | None = None
    below = above = 0.0
    for is_positive, score in labels:
        area = roc_auc(is_positive, score)
        if area is None:
            continue
        areas.append(area)
        deviations = _deviations(is_positive, score, area)
        if deviations is not None:
            moved = deviations if moved is None else moved + deviations
            continue
        low, high = _newcombe_ends(area, is_positive)
        below, above = hypot(below, area - low), hypot(above, high - area)
    if not areas:
        return None
    n, mean = len(areas), float(np.mean(areas))
    if moved is None:
        ends = max(0.0, mean - below / n), min(1.0, mean + above / n)
        return Area(mean, Interval(*ends, "newcombe"))
    error = hypot(sqrt(len(moved) * intervals.mean(moved**2)), max(below, above) / Z) / n
    return Area(mean, _on_logit_scale(mean, Z * error))


def _deviations(
    is_positive: Bool[np.ndarray, " example"], score: Float64[np.ndarray, " example"], area: float
) -> Float64[np.ndarray, " example"] | None:
    """By how much each example moves an area: the sum of their squares is DeLong's variance.

    An example's placement is the share of the other class that it stands on the right side of; a
    tie counts half. None where this knows of no variance.
    """
    n_positive = int(is_positive.sum())
    n_negative = len(score) - n_positive
    if min(n_positive, n_negative) < 2:
        return None
    ranks, is_negative = mean_ranks(score), ~is_positive
    deviations = np.empty(len(score))
    for members, n, n_others, sign in (
        (is_positive, n_positive, n_negative, 1),
        (is_negative, n_negative, n_positive, -1),
    ):
        above = (ranks[members] - mean_ranks(score[members])) / n_others
        placed = above if sign > 0 else 1 - above
        deviations[members] = (placed - area) / sqrt(n * (n - 1))
    return deviations if np.abs(deviations).max() > ROUNDING else None


def _newcombe_ends(area: float, is_positive: Bool[np.ndarray, " example"]) -> tuple[float, float]:
    """Areas from which what was found is z standard errors away, as Hanley & McNeil have them."""
    n_positive = int(is_positive.sum())
    n_pairs = n_positive * (len(is_positive) - n_positive)
    more = len(is_positive) / 2 - 1

    def error(true: float) -> float:
        ties = 1 + more * ((1 - true) / (2 - true) + true / (1 + true))
        return Z * sqrt(true * (1 - true) * ties / n_pairs)

    def border(outside: float) -> float:
        inside = area
        for _ in range(N_BISECTIONS):
            middle = (inside + outside) / 2
            if abs(area - middle) < error(middle):
                inside = middle
            else:
                outside = middle
        return inside

    return border(0.0), border(1.0)


def _on_logit_scale(area: float, half: float) -> Interval:
    """Symmetric about the log-odds, by the delta method."""
    centre, half = log(area / (1 - area)), half / (area * (1 - area))
    low, high = (1 / (1 + exp(-min(700.0, max(-700.0, x)))) for x in (centre - half, centre + half))
    return Interval(low, high, "delong")
