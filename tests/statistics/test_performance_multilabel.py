import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import bootstrap

from attn_audit.statistics.intervals import Resamples
from attn_audit.statistics.performance import constant_f1, f1_interval, macro_f1, micro_f1

INDICATORS = arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 12), st.integers(1, 4)))


def f1_by_definition(gold: list[bool], predicted: list[bool]) -> float | None:
    both = list(zip(gold, predicted, strict=True))
    hits, false_alarms, misses = (
        both.count(kind) for kind in ((True, True), (False, True), (True, False))
    )
    if hits + false_alarms + misses == 0:
        return None
    return hits / (hits + (false_alarms + misses) / 2)


@given(INDICATORS)
def test_micro_f1_is_that_of_all_decisions_together(sides: np.ndarray) -> None:
    gold, predicted = sides
    expected = f1_by_definition(gold.ravel().tolist(), predicted.ravel().tolist())
    assert micro_f1(gold, predicted) == pytest.approx(expected)


@given(INDICATORS)
def test_macro_f1_is_the_mean_over_labels(sides: np.ndarray) -> None:
    gold, predicted = sides
    by_label = [
        f1_by_definition(truth.tolist(), claim.tolist())
        for truth, claim in zip(gold.T, predicted.T, strict=True)
    ]
    defined = [f1 for f1 in by_label if f1 is not None]
    expected = sum(defined) / len(defined) if defined else None
    assert macro_f1(gold, predicted) == pytest.approx(expected)


@given(INDICATORS)
def test_the_three_agree_on_perfection(sides: np.ndarray) -> None:
    gold = sides[0]
    perfect = 1.0 if gold.any() else None
    assert micro_f1(gold, gold) == macro_f1(gold, gold) == perfect


def test_without_examples_nothing_is_known() -> None:
    none = np.zeros((0, 3), dtype=bool)
    assert micro_f1(none, none) is None
    assert macro_f1(none, none) is None


def drawn(n: int, n_labels: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which some are rare, and predictions that are right mostly."""
    random = np.random.default_rng(seed)
    gold = random.random((n, n_labels)) < np.linspace(0.1, 0.6, n_labels)
    return gold, gold ^ (random.random((n, n_labels)) < 0.2)


@pytest.mark.parametrize("micro", [False, True])
def test_the_interval_of_f1_against_scipys_bootstrap(micro: bool) -> None:
    gold, predicted = drawn(150, 3)
    f1 = micro_f1 if micro else macro_f1

    def of_draw(texts: np.ndarray) -> float:
        return f1(gold[texts], predicted[texts]) or 0.0

    theirs = bootstrap(
        (np.arange(150),), of_draw, vectorized=False, method="percentile", n_resamples=5_000,
        rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    ours = f1_interval(gold, predicted, Resamples(0), micro=micro)
    assert ours is not None
    spread = theirs.high - theirs.low
    assert ours.method == "bootstrap"
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.05 * spread)


@pytest.mark.parametrize("micro", [False, True])
def test_many_texts_have_the_same_interval_by_the_normal_approximation(micro: bool) -> None:
    gold, predicted = drawn(5001, 4)
    few = f1_interval(gold[:-1], predicted[:-1], Resamples(0), micro=micro)
    many = f1_interval(gold, predicted, Resamples(0), micro=micro)
    assert few is not None
    assert many is not None
    assert (few.method, many.method) == ("bootstrap", "normal")
    spread = few.high - few.low
    assert (many.low, many.high) == pytest.approx((few.low, few.high), abs=0.05 * spread)


def test_neither_order_nor_repetition_changes_the_interval_of_f1() -> None:
    gold, predicted = drawn(80, 3)
    order = np.random.default_rng(2).permutation(80)
    found = f1_interval(gold, predicted, Resamples(3))
    assert f1_interval(gold[order], predicted[order], Resamples(3)) == found


def test_a_label_that_a_draw_lacks_is_left_out_of_its_mean() -> None:
    gold = np.eye(2, dtype=bool)[[0] * 20 + [1]]
    found = f1_interval(gold, gold, Resamples(0))
    assert found is not None
    assert (found.low, found.high) == (1.0, 1.0)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_texts_or_no_label_have_no_interval_of_f1(n: int) -> None:
    gold = np.ones((n, 2), dtype=bool)
    assert f1_interval(gold, gold, Resamples(0)) is None
    assert f1_interval(np.zeros((9, 2), bool), np.zeros((9, 2), bool), Resamples(0)) is None


@given(INDICATORS)
def test_no_other_single_label_has_a_larger_micro_f1_than_the_most_frequent(
    sides: np.ndarray,
) -> None:
    gold, _ = sides
    of_each = []
    for label in range(gold.shape[1]):
        constant = np.zeros_like(gold)
        constant[:, label] = True
        of_each.append(micro_f1(gold, constant) or 0.0)
    assert constant_f1(gold) == max(of_each)
