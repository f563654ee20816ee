"""How well a model works where an example may have several labels, or none."""

import numpy as np
from jaxtyping import Bool, Int


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


def _count(indicators: Bool[np.ndarray, "example label"]) -> Int[np.ndarray, " label"]:
    count: Int[np.ndarray, " label"] = indicators.sum(axis=0)
    return count
