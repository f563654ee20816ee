"""How well the area under a ROC curve is known from the texts that it was measured on."""

from collections.abc import Iterable
from math import exp, hypot, log, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from attn_audit.statistics import moments
from attn_audit.statistics.estimate import Interval
from attn_audit.statistics.intervals import two_sided_z
from attn_audit.statistics.performance import mean_ranks, roc_auc

ROUNDING = 1e-12
"""Placements that differ by less do not differ."""

N_BISECTIONS = 60


class Area(NamedTuple):
    """The mean area under the ROC curves of some labels, 0 to 1."""

    value: float
    interval: Interval


def mean_area(
    labels: Iterable[tuple[Bool[np.ndarray, " example"], Float64[np.ndarray, " example"]]],
    confidence: float = 0.95,
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
        confidence: How often such an interval covers the truth.

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
    z = two_sided_z(confidence)
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
        low, high = _newcombe_ends(area, is_positive, z)
        below, above = hypot(below, area - low), hypot(above, high - area)
    if not areas:
        return None
    n, mean = len(areas), float(np.mean(areas))
    if moved is None:
        ends = max(0.0, mean - below / n), min(1.0, mean + above / n)
        return Area(mean, Interval(*ends, "newcombe"))
    error = hypot(sqrt(len(moved) * moments.mean(moved**2)), max(below, above) / z) / n
    return Area(mean, _on_logit_scale(mean, z * error))


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


def _newcombe_ends(
    area: float, is_positive: Bool[np.ndarray, " example"], z: float
) -> tuple[float, float]:
    """Areas from which what was found is z standard errors away, as Hanley & McNeil have them."""
    n_positive = int(is_positive.sum())
    n_pairs = n_positive * (len(is_positive) - n_positive)
    more = len(is_positive) / 2 - 1

    def error(true: float) -> float:
        ties = 1 + more * ((1 - true) / (2 - true) + true / (1 + true))
        return z * sqrt(true * (1 - true) * ties / n_pairs)

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
