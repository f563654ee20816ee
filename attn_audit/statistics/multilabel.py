"""How well a model works where an example may have several labels, or none."""

from math import sqrt

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Integer, UInt8

from attn_audit.statistics.estimate import Interval
from attn_audit.statistics.intervals import normal_interval, percentiles
from attn_audit.statistics.resamples import LARGEST_BOOTSTRAP_N, Resamples


def micro_f1(
    gold: Bool[np.ndarray, "example label"], predicted: Bool[np.ndarray, "example label"]
) -> float | None:
    """F1 over all labels of all examples together, 0 to 1: frequent labels count most.

    Args:
        gold: True where an example has a label.
        predicted: True where the model gives it the label.

    Returns:
        Twice the labels found over those that there are and those predicted; None without either.

    Example:
        >>> micro_f1(np.array([[True, True]]), np.array([[True, False]]))
        0.6666666666666666
    """
    found, claimed = _count(gold & predicted), _count(gold) + _count(predicted)
    return float(2 * found.sum() / claimed.sum()) if claimed.any() else None


def macro_f1(
    gold: Bool[np.ndarray, "example label"], predicted: Bool[np.ndarray, "example label"]
) -> float | None:
    """Mean over labels of F1, 0 to 1: every label counts the same, however rare it is.

    Args:
        gold: True where an example has a label.
        predicted: True where the model gives it the label.

    Returns:
        The mean over the labels that some example has or is given; None where there are none.

    Example:
        >>> gold = np.array([[True, True, False], [True, False, False]])
        >>> macro_f1(gold, np.array([[True, False, False], [True, False, False]]))
        0.5
    """
    found, claimed = _count(gold & predicted), _count(gold) + _count(predicted)
    occurs = claimed > 0
    return float(np.mean(2 * found[occurs] / claimed[occurs])) if occurs.any() else None


def f1_interval(
    gold: Bool[np.ndarray, "example label"],
    predicted: Bool[np.ndarray, "example label"],
    resamples: Resamples,
    *,
    micro: bool = False,
    confidence: float = 0.95,
) -> Interval | None:
    """Confidence interval of macro or micro F1 over examples, 0 to 1.

    Percentile bootstrap: F1 of the same examples drawn anew, labels that a draw lacks left out of
    its mean. Above 5,000 examples the normal approximation, by how much each example moves F1.

    Args:
        gold: True where an example has a label.
        predicted: True where the model gives it the label.
        resamples: Of the same seed, the same examples always have the same interval.
        micro: Over all labels together, in place of the mean over labels.
        confidence: How often such an interval covers the truth.

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
        return _normal_f1_interval(found, claimed, confidence)
    order = np.lexsort(np.concatenate([found, claimed], axis=1).T)  # that of the data says nothing
    drawn = _mean_f1(resamples.totals(found[order]), resamples.totals(claimed[order]))
    return percentiles(drawn[~np.isnan(drawn)], confidence)


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


def _normal_f1_interval(found: Counts, claimed: Counts, confidence: float) -> Interval:
    """F1 is a mean of ratios: an example moves each by its distance from it, over the whole."""
    totals = claimed.sum(axis=0, dtype=np.int64)
    moved, f1s = np.zeros(len(found)), []
    for label in np.flatnonzero(totals):
        f1 = 2 * found[:, label].sum(dtype=np.int64) / totals[label]
        moved += (2.0 * found[:, label] - f1 * claimed[:, label]) / totals[label]
        f1s.append(f1)
    n = len(found)
    spread = sqrt(float((moved**2).sum()) * n / (n - 1)) * sqrt(n) / len(f1s)
    return normal_interval(float(np.mean(f1s)), spread, n, (0.0, 1.0), confidence)


def _count(indicators: Bool[np.ndarray, "example label"]) -> Int[np.ndarray, " label"]:
    count: Int[np.ndarray, " label"] = indicators.sum(axis=0)
    return count
