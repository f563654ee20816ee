"""How well a model works: explanations of a model that does not work explain nothing."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from attn_audit.statistics import multilabel
from attn_audit.statistics.moments import require_finite


def macro_f1(
    gold: Int[np.ndarray, " example"], predicted: Int[np.ndarray, " example"], n_labels: int
) -> float | None:
    """Mean over labels of F1, 0 to 1: every label counts the same, however rare it is.

    Args:
        gold: True labels, 0 to n_labels - 1.
        predicted: The model's labels.
        n_labels: How many labels the task has; one that is neither the truth nor predicted
            anywhere is left out of the mean.

    Returns:
        The mean; None without examples.

    Example:
        >>> macro_f1(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]), n_labels=3)
        0.7333333333333334
    """
    labels = np.arange(n_labels)
    return multilabel.macro_f1(gold[:, None] == labels, predicted[:, None] == labels)


def roc_auc(
    is_positive: Bool[np.ndarray, " example"], score: Float[np.ndarray, " example"]
) -> float | None:
    """Area under the ROC curve, 0 to 1: how often a positive scores above a negative example.

    0.5 is chance. A tie counts half.

    Args:
        is_positive: Which examples have the label.
        score: Anything that rises with the model's belief in the label.

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


@dataclass(frozen=True, slots=True)
class MacroAuc:
    """The mean ROC AUC over labels, and what it leaves out."""

    mean: float | None
    """0 to 1; None where no label has both classes."""
    n_labels_left_out: int
    """Labels that all examples, or none, have: they have no ROC curve."""


def macro_roc_auc(
    gold: Bool[np.ndarray, "example label"], scores: Float[np.ndarray, "example label"]
) -> MacroAuc:
    """Mean over labels of the area under the ROC curve, 0 to 1, each label against the rest.

    Args:
        gold: True where an example has a label; one a row for multiclass tasks.
        scores: The model's belief in each label.

    Returns:
        The mean over the labels that some but not all examples have.

    Raises:
        ValueError: A score is NaN or infinite.

    Example:
        >>> gold = np.array([[True, False, False], [False, True, False]])
        >>> macro_roc_auc(gold, np.array([[0.7, 0.3, 0.0], [0.4, 0.6, 0.0]]))
        MacroAuc(mean=1.0, n_labels_left_out=1)
    """
    areas = [roc_auc(label, score) for label, score in zip(gold.T, scores.T, strict=True)]
    defined = [area for area in areas if area is not None]
    mean = sum(defined) / len(defined) if defined else None
    return MacroAuc(mean, len(areas) - len(defined))


def mean_ranks(score: Float[np.ndarray, " example"]) -> Float[np.ndarray, " example"]:
    """Ranks from 1; equal scores share the mean of the ranks that they take up."""
    _, group, sizes = np.unique(score, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[group]
