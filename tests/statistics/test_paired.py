"""Ratios and taus over columns of the same examples, against plain resampling by hand."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from attn_audit.statistics.intervals import Resamples
from attn_audit.statistics.paired import ratio_of_means, tau_of_means

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
