import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import false_discovery_control

from attn_audit.statistics.multiple_comparisons import benjamini_hochberg

P_VALUES = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1))


@given(P_VALUES)
def test_against_scipy(p_values: np.ndarray) -> None:
    np.testing.assert_allclose(
        benjamini_hochberg(p_values), false_discovery_control(p_values), rtol=1e-14, atol=1e-300
    )


def test_by_hand() -> None:
    assert benjamini_hochberg(np.array([0.5, 0.01])).tolist() == [0.5, 0.02]


def test_one_test_needs_no_adjustment() -> None:
    assert benjamini_hochberg(np.array([0.03])).tolist() == [0.03]


@given(P_VALUES)
def test_never_makes_a_p_value_smaller_nor_larger_than_one(p_values: np.ndarray) -> None:
    adjusted = benjamini_hochberg(p_values)
    assert (adjusted >= p_values * (1 - 1e-15)).all()
    assert (adjusted <= 1).all()


def test_no_tests_give_no_p_values() -> None:
    assert benjamini_hochberg(np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_refuses_what_is_no_p_value(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg(np.array([0.5, wrong]))
