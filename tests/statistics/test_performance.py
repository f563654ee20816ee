import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from attn_audit.statistics.performance import (
    MacroAuc,
    macro_f1,
    macro_roc_auc,
    roc_auc,
)

LABELLED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)
SCORED = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40)


def f1_by_definition(examples: list[tuple[int, int]], label: int) -> float | None:
    hits = examples.count((label, label))
    claims = sum(predicted == label for _, predicted in examples)
    truths = sum(gold == label for gold, _ in examples)
    if claims + truths == 0:
        return None
    if hits == 0:
        return 0.0
    precision, recall = hits / claims, hits / truths
    return 2 * precision * recall / (precision + recall)


@given(LABELLED)
def test_macro_f1_is_the_mean_of_the_harmonic_means(examples: list[tuple[int, int]]) -> None:
    gold, predicted = np.array(examples).T
    by_label = [f1_by_definition(examples, label) for label in range(4)]
    expected = np.mean([f1 for f1 in by_label if f1 is not None])
    assert macro_f1(gold, predicted, n_labels=4) == pytest.approx(expected)


def test_a_label_that_never_occurs_does_not_lower_macro_f1() -> None:
    labels = np.array([0, 1, 1])
    assert macro_f1(labels, labels, n_labels=5) == 1.0


def test_without_examples_nothing_is_known() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert macro_f1(none, none, n_labels=2) is None
    assert roc_auc(np.zeros(0, dtype=bool), np.zeros(0)) is None


@given(SCORED)
def test_auc_against_mannwhitneyu(examples: list[tuple[bool, int]]) -> None:
    is_positive = np.array([positive for positive, _ in examples])
    score = np.array([float(value) for _, value in examples])
    if is_positive.all() or not is_positive.any():
        assert roc_auc(is_positive, score) is None
        return
    u = mannwhitneyu(score[is_positive], score[~is_positive], method="asymptotic").statistic
    expected = u / (is_positive.sum() * (~is_positive).sum())
    assert roc_auc(is_positive, score) == pytest.approx(expected)


def test_auc_of_a_perfect_an_inverted_and_a_blind_score() -> None:
    is_positive = np.array([False, False, True])
    assert roc_auc(is_positive, np.array([0.1, 0.2, 0.3])) == 1.0
    assert roc_auc(is_positive, np.array([0.3, 0.2, 0.1])) == 0.0
    assert roc_auc(is_positive, np.array([0.5, 0.5, 0.5])) == 0.5


def test_auc_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not finite"):
        roc_auc(np.array([True, False]), np.array([0.5, np.nan]))


def test_macro_auc_is_the_mean_over_labels_that_have_both_classes() -> None:
    gold = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1]], dtype=bool)
    scores = np.array([[0.9, 0.2, 0.1], [0.5, 0.2, 0.1], [0.4, 0.2, 0.1]])
    assert macro_roc_auc(gold, scores) == MacroAuc(mean=0.5, n_labels_left_out=2)


def test_macro_auc_is_undefined_where_every_label_is_left_out() -> None:
    result = macro_roc_auc(np.ones((2, 2), dtype=bool), np.zeros((2, 2)))
    assert result == MacroAuc(mean=None, n_labels_left_out=2)
