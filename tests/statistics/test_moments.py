from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attn_audit.statistics.moments import describe, histogram, mean, sd

VALUES = arrays(np.float64, st.integers(2, 50), elements=st.floats(-1e3, 1e3, width=32))


@given(VALUES)
def test_against_numpy(values: np.ndarray) -> None:
    ours = describe(values)
    assert ours is not None
    assert [ours.n, ours.minimum, ours.maximum] == [len(values), min(values), max(values)]
    assert ours.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-9)
    assert ours.sd == pytest.approx(values.std(ddof=1), rel=1e-9, abs=1e-9)


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_values_changes_nothing(values: np.ndarray, random: Random) -> None:
    shuffled = values.tolist()
    random.shuffle(shuffled)
    assert describe(np.array(shuffled)) == describe(values)


def test_quantiles_by_hand() -> None:
    description = describe(np.arange(101.0))
    assert description is not None
    assert description.quantiles == {0.05: 5.0, 0.25: 25.0, 0.5: 50.0, 0.75: 75.0, 0.95: 95.0}


def test_a_single_value_has_no_standard_deviation() -> None:
    description = describe(np.array([2.5]))
    assert description is not None
    assert (description.mean, description.sd, description.n) == (2.5, None, 1)


def test_sums_lose_nothing_to_rounding() -> None:
    assert mean(np.array([1e16, 1.0, -1e16])) == 1 / 3


def test_equal_values_do_not_spread() -> None:
    assert sd(np.full(7, 0.5)) == 0.0


def test_no_values_have_no_description() -> None:
    assert describe(np.zeros(0)) is None


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_refuses_what_is_not_finite(wrong: float) -> None:
    with pytest.raises(ValueError, match="1 of 2 values are not finite"):
        describe(np.array([0.0, wrong]))
    with pytest.raises(ValueError, match="not finite"):
        histogram(np.array([wrong]), np.array([0.0, 1.0]))


def test_bins_are_closed_on_the_left_and_the_last_on_the_right() -> None:
    values = np.array([0.0, 0.24, 0.25, 0.5, 0.75, 1.0])
    assert histogram(values, np.linspace(0, 1, 5)).tolist() == [2, 1, 1, 2]


def test_a_value_beyond_the_edges_counts_in_the_nearest_bin() -> None:
    assert histogram(np.array([-1e-12, 1 + 1e-12]), np.array([0.0, 0.5, 1.0])).tolist() == [1, 1]


@given(VALUES)
def test_every_value_is_counted_once(values: np.ndarray) -> None:
    assert histogram(values, np.linspace(-100, 100, 7)).sum() == len(values)
