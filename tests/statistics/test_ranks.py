import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from attn_audit.statistics.ranks import dense_ranks, is_constant

ROW = arrays(np.float64, st.integers(1, 12), elements=st.floats(-100, 100))


def ranks_of(values: list[float], noise_floor: float = 0.0) -> list[int]:
    row = np.array([values], dtype=np.float64)
    ranks = dense_ranks(row, np.array([len(values)]), np.array([noise_floor]))
    return [int(rank) for rank in ranks[0]]


@given(ROW)
def test_without_a_floor_is_scipys_dense_rank(row: np.ndarray) -> None:
    assert ranks_of(row.tolist()) == (rankdata(row, method="dense") - 1).tolist()


def test_values_closer_than_the_floor_are_ties() -> None:
    assert ranks_of([1.0, 1.05, 2.0], noise_floor=0.1) == [0, 0, 1]


def test_a_step_as_large_as_the_floor_is_a_tie() -> None:
    assert ranks_of([0.0, 0.5, 1.5], noise_floor=0.5) == [0, 0, 1]


def test_ties_reach_along_a_chain() -> None:
    assert ranks_of([0.0, 1.8, 0.9, 5.0], noise_floor=1.0) == [0, 0, 0, 1]


def test_each_row_has_its_own_floor() -> None:
    rows = np.array([[0.0, 1.0], [0.0, 1.0]])
    ranks = dense_ranks(rows, np.array([2, 2]), np.array([0.5, 2.0]))
    assert ranks.tolist() == [[0, 1], [0, 0]]


def test_padding_takes_no_part_whatever_it_holds() -> None:
    rows = np.array([[3.0, 1.0, -9.0, 2.0], [1.0, 2.0, np.nan, np.inf]])
    ranks = dense_ranks(rows, np.array([2, 2]), np.zeros(2))
    assert ranks.tolist() == [[1, 0, -1, -1], [0, 1, -1, -1]]


def test_rows_and_batches_without_units_are_fine() -> None:
    assert dense_ranks(np.ones((1, 2)), np.array([0]), np.zeros(1)).tolist() == [[-1, -1]]
    assert dense_ranks(np.ones((0, 2)), np.zeros(0, np.int64), np.zeros(0)).shape == (0, 2)
    assert dense_ranks(np.ones((2, 0)), np.zeros(2, np.int64), np.zeros(2)).shape == (2, 0)


def test_constant_rows_are_those_of_one_rank() -> None:
    ranks = np.array([[0, 0, -1], [0, 1, -1], [0, -1, -1], [-1, -1, -1]])
    assert is_constant(ranks, np.array([2, 2, 1, 0])).tolist() == [True, False, True, True]


def test_what_the_padding_holds_does_not_make_a_row_vary() -> None:
    assert is_constant(np.array([[0, 0, 7]]), np.array([2])).tolist() == [True]
