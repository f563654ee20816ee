import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_audit.statistics.intervals import MAX_KEPT, N_RESAMPLES, Resamples

RNG = np.random.Generator(np.random.Philox(12))


def means_by_drawing(values: np.ndarray, seed: int) -> np.ndarray:
    """The definition: draw as many values as there are, with replacement, and average them."""
    generator = np.random.Generator(np.random.Philox(seed))
    n = len(values)
    drawn = [generator.integers(n, size=n, dtype=np.int32) for _ in range(N_RESAMPLES)]
    means: np.ndarray = values[np.array(drawn)].mean(axis=1)
    return means


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(0, 2**32))
def test_means_are_those_of_drawing(values: list[float], seed: int) -> None:
    numbers = np.array(values)
    drawn = means_by_drawing(numbers, seed)
    np.testing.assert_allclose(Resamples(seed).means(numbers), drawn, rtol=1e-12, atol=1e-9)


def test_means_of_many_values_are_those_of_drawing() -> None:
    values = RNG.random(3000)  # more than go into a block
    np.testing.assert_allclose(Resamples(5).means(values), means_by_drawing(values, 5), rtol=1e-12)


def test_what_was_drawn_before_changes_nothing() -> None:
    values, used = RNG.random(60), Resamples(3)
    for n in (60, 7, 100):
        used.means(RNG.random(n))
    assert used.means(values).tolist() == Resamples(3).means(values).tolist()


@pytest.mark.parametrize("n", [1, 3, 1000])
def test_no_mean_lies_beyond_the_values(n: int) -> None:
    assert set(Resamples(0).means(np.full(n, 0.1))) == {0.1}


@settings(max_examples=20)
@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 2**32))
def test_totals_are_those_of_drawing(n: int, n_columns: int, seed: int) -> None:
    counted = np.random.default_rng(seed).integers(3, size=(n, n_columns))
    found = Resamples(seed).totals(counted)
    for column in range(n_columns):
        expected = n * means_by_drawing(counted[:, column].astype(float), seed)
        np.testing.assert_allclose(found[:, column], expected, atol=1e-6)


def test_keeps_no_more_than_its_limit() -> None:
    resamples, kept = Resamples(0), []
    for n in range(4990, 4996):
        resamples.means(RNG.random(n))
        kept.append(sum(counts.size for counts in resamples._kept.values()))
    assert max(kept) <= MAX_KEPT
