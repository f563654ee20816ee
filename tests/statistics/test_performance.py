"""Against pairs of scores counted one by one, SciPy, numbers worked out by hand, and coverage."""

from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm

from attn_audit.statistics.performance import (
    Area,
    macro_f1,
    macro_roc_auc,
    mean_area,
    roc_auc,
)
from attn_audit.statistics.summary import Interval

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
    labels = np.arange(4)
    found = macro_f1(gold[:, None] == labels, predicted[:, None] == labels)
    assert found == pytest.approx(expected)


def test_a_label_that_never_occurs_does_not_lower_macro_f1() -> None:
    labels = np.array([0, 1, 1])[:, None] == np.arange(5)
    assert macro_f1(labels, labels) == 1.0


def test_without_examples_nothing_is_known() -> None:
    none = np.zeros((0, 2), dtype=bool)
    assert macro_f1(none, none) is None
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
    assert macro_roc_auc(gold, scores) == 0.5


def test_macro_auc_is_undefined_where_every_label_is_left_out() -> None:
    assert macro_roc_auc(np.ones((2, 2), dtype=bool), np.zeros((2, 2))) is None


Label = tuple[np.ndarray, np.ndarray]
Z = norm.ppf(0.975)


def measured(*labels: Label) -> Area:
    found = mean_area(labels)
    assert found is not None
    return found


def placements(has_label: np.ndarray, score: np.ndarray) -> tuple[list[float], list[float]]:
    """The definition: on how many of the other side each example is in its right place."""
    wins = [[float(a > b) + (a == b) / 2 for b in score[~has_label]] for a in score[has_label]]
    by_pair = np.array(wins)
    return by_pair.mean(axis=1).tolist(), by_pair.mean(axis=0).tolist()


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def on_logit_scale(area: float, error: float) -> tuple[float, float]:
    centre, half = log(area / (1 - area)), Z * error / (area * (1 - area))
    return 1 / (1 + exp(half - centre)), 1 / (1 + exp(-half - centre))


def test_a_small_case_worked_out_by_hand() -> None:
    """Placements 1, 1, 2/3 and 2/3, 1, 1: area 8/9; both variances 1/27, so 2/81 in all."""
    has_label = np.array([True, True, True, False, False, False])
    area, interval = measured((has_label, np.array([0.9, 0.6, 0.4, 0.5, 0.2, 0.1])))
    assert area == pytest.approx(8 / 9, abs=1e-15)
    assert interval.method == "delong"
    assert ends(interval) == pytest.approx(on_logit_scale(8 / 9, sqrt(2 / 81)), abs=1e-12)


@st.composite
def tied_labels(draw: st.DrawFn) -> Label:
    n = draw(st.integers(4, 40))
    has_label = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    score = np.array(draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))) / 6
    return has_label, score


@given(tied_labels())
def test_variance_and_area_against_pairs_counted_one_by_one(label: Label) -> None:
    has_label, score = label
    found = mean_area([label])
    if has_label.all() or not has_label.any():
        assert found is None
        return
    assert found is not None
    u = mannwhitneyu(score[has_label], score[~has_label]).statistic
    assert found.value == pytest.approx(u / (has_label.sum() * (~has_label).sum()), abs=1e-12)
    of_positives, of_negatives = placements(has_label, score)
    if min(len(of_positives), len(of_negatives)) < 2:
        assert found.interval.method == "newcombe"
        return
    variance = np.var(of_positives, ddof=1) / len(of_positives) + np.var(
        of_negatives, ddof=1
    ) / len(of_negatives)
    if variance < 1e-20:
        assert found.interval.method == "newcombe"
        return
    expected = on_logit_scale(found.value, sqrt(variance))
    assert ends(found.interval) == pytest.approx(expected, abs=1e-9)


def test_labels_of_the_same_texts_are_not_independent() -> None:
    """The same label twice tells no more than once; one and its opposite move alike as well."""
    random = np.random.default_rng(4)
    has_label = random.random(300) < 0.4
    score = has_label + random.normal(size=300)
    once = measured((has_label, score))
    twice = measured((has_label, score), (has_label, score))
    opposite = measured((has_label, score), (~has_label, -score))
    assert ends(twice.interval) == pytest.approx(ends(once.interval), abs=1e-12)
    assert ends(opposite.interval) == pytest.approx(ends(once.interval), abs=1e-12)


@pytest.mark.parametrize("n_labels", [1, 3])
def test_covers_the_truth_as_often_as_it_says(n_labels: int) -> None:
    """Labels share their texts: noise that all scores have in common makes their areas one."""
    random = np.random.default_rng(n_labels)
    truth = norm.cdf(1.5 / sqrt(2 * 1.5))
    n_covered, n_draws, n = 0, 1000, 120
    for _ in range(n_draws):
        shared = random.normal(size=n) * sqrt(0.5)
        base = random.random(n)
        labels = []
        for k in range(n_labels):
            has_label = (base + 0.2 * k) % 1 < 0.4
            labels.append((has_label, 1.5 * has_label + shared + random.normal(size=n)))
        interval = measured(*labels).interval
        n_covered += interval.low <= truth <= interval.high
    assert n_covered / n_draws == pytest.approx(0.95, abs=0.018)


@pytest.mark.parametrize(
    ("n_positive", "n_negative"), [(10, 10), (3, 40), (1, 30), (1, 1), (500, 500)]
)
def test_a_label_that_is_told_apart_wholly_is_no_certainty(
    n_positive: int, n_negative: int
) -> None:
    """The lower end is where 1 is 1.96 errors away, by Hanley & McNeil's variance there."""
    has_label = np.arange(n_positive + n_negative) < n_positive
    area, interval = measured((has_label, has_label.astype(float)))
    assert (area, interval.high, interval.method) == (1.0, 1.0, "newcombe")
    low, more = interval.low, (n_positive + n_negative) / 2 - 1
    variance = low * (1 - low) / (n_positive * n_negative)
    variance *= 1 + more * ((1 - low) / (2 - low) + low / (1 + low))
    assert 1 - low == pytest.approx(Z * sqrt(variance), abs=1e-9)
    worst, mirrored = measured((has_label, -has_label.astype(float)))
    assert (worst, mirrored.low) == (0.0, 0.0)
    assert mirrored.high == pytest.approx(1 - low, abs=1e-9)


def test_scores_that_all_tie_are_chance_and_not_sure() -> None:
    has_label = np.arange(40) < 15
    area, interval = measured((has_label, np.zeros(40)))
    assert area == 0.5
    assert interval.low == pytest.approx(1 - interval.high, abs=1e-9)
    assert 0.25 < interval.low < 0.4


def test_a_label_without_a_variance_widens_the_mean_of_those_that_have_one() -> None:
    random = np.random.default_rng(9)
    has_label = random.random(200) < 0.5
    some = (has_label, has_label + random.normal(size=200))
    rare = np.arange(200) == 7
    apart = (rare, rare.astype(float))
    alone, both = measured(some), measured(some, apart)
    assert both.value == pytest.approx((alone.value + 1) / 2, abs=1e-12)
    assert both.interval.high - both.interval.low > (alone.interval.high - alone.interval.low) / 2


def test_labels_that_all_or_none_have_are_left_out() -> None:
    has_label, score = np.array([True, False, True, False]), np.array([0.4, 0.3, 0.2, 0.1])
    assert mean_area([(np.ones(4, dtype=bool), score)]) is None
    assert mean_area([]) is None
    with_others = measured((np.ones(4, dtype=bool), score), (has_label, score))
    assert with_others == measured((has_label, score))


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_the_order_of_the_texts_changes_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    has_label, score, order = random.random(50) < 0.5, random.random(50), random.permutation(50)
    has_label[:2] = True, False
    assert measured((has_label[order], score[order])) == measured((has_label, score))


def test_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not finite"):
        mean_area([(np.array([True, False]), np.array([0.0, np.nan]))])
