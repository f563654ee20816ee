"""Descriptions, intervals and resamples against NumPy, SciPy and the definition."""

import tracemalloc
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import bootstrap, kendalltau, norm

from attn_audit.statistics.intervals import (
    MAX_KEPT,
    N_RESAMPLES,
    Resamples,
    distribution_of,
    mean,
    mean_interval,
    ratio_of_means,
    sd,
    tau_of_means,
    wilson_interval,
)
from attn_audit.statistics.summary import Distribution, Interval

VALUES = arrays(np.float64, st.integers(2, 50), elements=st.floats(-1e3, 1e3, width=32))


def describe(values: np.ndarray) -> Distribution:
    return distribution_of(values, Resamples(seed=0))


def counts_of(values: np.ndarray, edges: list[float]) -> tuple[int, ...]:
    histogram = distribution_of(values, Resamples(seed=0), edges).histogram
    assert histogram is not None
    return histogram.counts


@given(VALUES)
def test_against_numpy(values: np.ndarray) -> None:
    ours = describe(values)
    assert [ours.n, ours.minimum, ours.maximum] == [len(values), min(values), max(values)]
    assert ours.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-9)
    assert ours.sd == pytest.approx(values.std(ddof=1), rel=1e-9, abs=1e-9)


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_values_changes_nothing(values: np.ndarray, random: Random) -> None:
    shuffled = values.tolist()
    random.shuffle(shuffled)
    assert describe(np.array(shuffled)) == describe(values)


def test_quantiles_by_hand() -> None:
    assert describe(np.arange(101.0)).quantiles == (5.0, 25.0, 50.0, 75.0, 95.0)


def test_a_single_value_has_no_standard_deviation() -> None:
    description = describe(np.array([2.5]))
    assert (description.mean, description.sd, description.n) == (2.5, None, 1)


def test_sums_lose_nothing_to_rounding() -> None:
    assert mean(np.array([1e16, 1.0, -1e16])) == 1 / 3


def test_equal_values_do_not_spread() -> None:
    assert sd(np.full(7, 0.5)) == 0.0


def test_no_values_have_no_description() -> None:
    assert describe(np.full(2, np.nan)) == describe(np.zeros(0))
    assert describe(np.zeros(0)).mean is None


def test_refuses_what_is_infinite() -> None:
    with pytest.raises(ValueError, match="1 of 2 values are not finite"):
        describe(np.array([0.0, np.inf]))


def test_bins_are_closed_on_the_left_and_the_last_on_the_right() -> None:
    values = np.array([0.0, 0.24, 0.25, 0.5, 0.75, 1.0])
    assert counts_of(values, [0.0, 0.25, 0.5, 0.75, 1.0]) == (2, 1, 1, 2)


def test_a_value_beyond_the_edges_counts_in_the_nearest_bin() -> None:
    assert counts_of(np.array([-1e-12, 1 + 1e-12]), [0.0, 0.5, 1.0]) == (1, 1)


@given(VALUES)
def test_every_value_is_counted_once(values: np.ndarray) -> None:
    assert sum(counts_of(values, np.linspace(-100, 100, 7).tolist())) == len(values)


RNG = np.random.Generator(np.random.Philox(11))


def interval_of(values: np.ndarray, seed: int = 0) -> Interval:
    interval = mean_interval(values, Resamples(seed))
    assert interval is not None
    return interval


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_ends_where_a_share_is_just_refuted(counts: tuple[int, int]) -> None:
    successes, n = counts
    interval = wilson_interval(successes, n)
    assert interval is not None
    assert 0 <= interval.low < interval.high <= 1
    z = norm.ppf(0.975)
    for end in (interval.low, interval.high):
        assert (successes / n - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / n, abs=1e-12)


def test_wilson_ends_at_the_end_where_none_or_all_succeed() -> None:
    none, all_ = wilson_interval(0, 10), wilson_interval(10, 10)
    assert none is not None
    assert all_ is not None
    assert none.low == 0.0
    assert all_.high == 1.0
    assert none.high == pytest.approx(1 - all_.low)


def test_wilson_says_nothing_about_nothing() -> None:
    assert wilson_interval(0, 0) is None


@pytest.mark.parametrize("successes", [-1, 11])
def test_wilson_refuses_impossible_counts(successes: int) -> None:
    with pytest.raises(ValueError, match="must"):
        wilson_interval(successes, 10)


def width(interval: Interval) -> float:
    return interval.high - interval.low


@pytest.mark.parametrize("n", [20, 1821])
def test_bootstrap_against_scipy(n: int) -> None:
    """SciPy's with 20,000 resamples, whose width is known to 0.7 %."""
    values = np.random.default_rng(n).exponential(size=n)
    theirs = bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, batch=500, rng=RNG
    ).confidence_interval
    spread = theirs.high - theirs.low
    ours = interval_of(values)
    assert ours.method == "bootstrap"
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03 * spread)
    assert width(ours) == pytest.approx(spread, rel=0.04)


def test_the_draw_moves_a_width_by_no_more_than_a_hundredth_or_so() -> None:
    """Of 1,000 resamples the widths differ by 3 % (standard deviation), of 5,000 by 1.4 %."""
    values = np.random.default_rng(3).exponential(size=60)
    widths = [width(interval_of(values, seed)) for seed in range(60)]
    assert 0.0115 < np.std(widths, ddof=1) / np.mean(widths) < 0.0165


def test_large_samples_take_the_normal_interval() -> None:
    values = RNG.random(5001)
    ours = interval_of(values)
    expected = norm.interval(0.95, values.mean(), values.std(ddof=1) / np.sqrt(len(values)))
    assert ours.method == "normal"
    assert (ours.low, ours.high) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [50, 20_000])
def test_neither_order_nor_repetition_changes_the_interval(n: int) -> None:
    values = RNG.random(n)
    assert interval_of(values, seed=5) == interval_of(RNG.permutation(values), seed=5)


def test_another_seed_gives_another_bootstrap() -> None:
    values = RNG.random(50)
    assert interval_of(values, seed=1) != interval_of(values, seed=2)


@pytest.mark.parametrize("n", [2, 7, 1000])
def test_equal_values_give_an_interval_of_no_width(n: int) -> None:
    interval = interval_of(np.full(n, 0.1))
    assert (interval.low, interval.high) == (0.1, 0.1)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_values_have_no_interval(n: int) -> None:
    assert mean_interval(np.ones(n), Resamples(0)) is None


def test_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not finite"):
        mean_interval(np.array([0.0, np.nan]), Resamples(0))


def test_covers_the_truth_as_often_as_it_says() -> None:
    samples = RNG.random((150, 40))
    covered = [interval.low <= 0.5 <= interval.high for interval in map(interval_of, samples)]
    assert np.mean(covered) == pytest.approx(0.94, abs=0.05)


def test_five_thousand_values_are_resampled_still_and_memory_stays_bounded() -> None:
    values = RNG.random(5000)
    tracemalloc.start()
    interval = interval_of(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert interval.method == "bootstrap"
    assert peak < 50e6


OF_VALUES = np.random.Generator(np.random.Philox(12))


def means_by_drawing(values: np.ndarray, seed: int) -> np.ndarray:
    """The definition: draw as many values as there are, with replacement, and average them."""
    generator = np.random.Generator(np.random.Philox(seed))
    n = len(values)
    drawn = [generator.integers(n, size=n, dtype=np.int32) for _ in range(N_RESAMPLES)]
    means: np.ndarray = values[np.array(drawn)].mean(axis=1)
    return means


@settings(max_examples=8)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(0, 2**32))
def test_means_are_those_of_drawing(values: list[float], seed: int) -> None:
    numbers = np.array(values)
    drawn = means_by_drawing(numbers, seed)
    np.testing.assert_allclose(Resamples(seed).means(numbers), drawn, rtol=1e-12, atol=1e-9)


def test_means_of_many_values_are_those_of_drawing() -> None:
    values = OF_VALUES.random(3000)  # more than go into a block
    np.testing.assert_allclose(Resamples(5).means(values), means_by_drawing(values, 5), rtol=1e-12)


def test_what_was_drawn_before_changes_nothing() -> None:
    values, used = OF_VALUES.random(60), Resamples(3)
    for n in (60, 7, 100):
        used.means(OF_VALUES.random(n))
    assert used.means(values).tolist() == Resamples(3).means(values).tolist()


@pytest.mark.parametrize("n", [1, 3, 1000])
def test_no_mean_lies_beyond_the_values(n: int) -> None:
    assert set(Resamples(0).means(np.full(n, 0.1))) == {0.1}


@settings(max_examples=8)
@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 2**32))
def test_totals_are_those_of_drawing(n: int, n_columns: int, seed: int) -> None:
    counted = np.random.default_rng(seed).integers(3, size=(n, n_columns))
    found = Resamples(seed).totals(counted)
    for column in range(n_columns):
        expected = n * means_by_drawing(counted[:, column].astype(float), seed)
        np.testing.assert_allclose(found[:, column], expected, atol=1e-6)


def test_keeps_no_more_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attn_audit.statistics.intervals.MAX_KEPT", MAX_KEPT // 10)
    resamples, kept = Resamples(0), []
    for n in range(490, 496):
        resamples.means(OF_VALUES.random(n))
        kept.append(sum(counts.size for counts in resamples._kept.values()))
    assert max(kept) <= MAX_KEPT // 10 < 6 * 490 * N_RESAMPLES


DRAW = np.random.default_rng(3)
WHOLES = DRAW.uniform(0.5, 1.5, 80)
PARTS = WHOLES * 0.4 + DRAW.normal(0, 0.1, 80)


def test_a_ratio_is_that_of_the_means_and_its_interval_resamples_both_together() -> None:
    found = ratio_of_means(PARTS, WHOLES, Resamples(seed=1))
    assert found.value == pytest.approx(PARTS.mean() / WHOLES.mean())
    drawn = DRAW.integers(80, size=(4000, 80))
    low, high = np.quantile(PARTS[drawn].mean(1) / WHOLES[drawn].mean(1), [0.025, 0.975])
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=0.004)


def test_the_order_of_examples_and_those_that_do_not_count_change_nothing() -> None:
    order = DRAW.permutation(80)
    found = ratio_of_means(PARTS, WHOLES, Resamples(seed=1))
    assert ratio_of_means(PARTS[order], WHOLES[order], Resamples(seed=1)) == found
    parts, wholes = np.append(PARTS, [np.nan, 3.0]), np.append(WHOLES, [3.0, np.nan])
    assert ratio_of_means(parts, wholes, Resamples(seed=1)) == found


def test_of_many_examples_the_interval_is_as_wide_as_resampling_has_it() -> None:
    wholes = DRAW.uniform(0.5, 1.5, 6000)
    parts = wholes * 0.4 + DRAW.normal(0, 0.1, 6000)
    found = ratio_of_means(parts, wholes, Resamples(seed=0))
    drawn = DRAW.integers(6000, size=(1000, 6000))
    spread = (parts[drawn].mean(1) / wholes[drawn].mean(1)).std()
    assert found.interval is not None
    assert found.interval.high - found.interval.low == pytest.approx(3.92 * spread, rel=0.1)


def test_nothing_is_said_of_no_headroom() -> None:
    nothing = np.zeros(3)
    assert ratio_of_means(nothing, nothing, Resamples(seed=0)).value is None
    assert ratio_of_means(nothing[:0], nothing[:0], Resamples(seed=0)).value is None


def test_a_tau_is_that_of_the_columns_means() -> None:
    first = DRAW.normal(0, 1, (50, 6)) + np.arange(6) / 3
    second = first + DRAW.normal(0, 1, (50, 6))
    second[0, 2] = np.nan
    found = tau_of_means(first, second, Resamples(seed=0))
    expected = kendalltau(first[1:].mean(0), second[1:].mean(0)).statistic
    assert found.value == pytest.approx(expected)
    assert found.n == 49
    assert found.interval is not None
    assert found.interval.low <= expected <= found.interval.high


def test_equal_means_have_no_tau() -> None:
    assert tau_of_means(np.ones((4, 3)), np.ones((4, 3)), Resamples(seed=0)).value is None
