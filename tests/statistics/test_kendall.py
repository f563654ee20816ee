"""Tau and its p-values against SciPy and plain counting, over rows of every length and tie."""

from collections import Counter
from itertools import combinations, count, permutations, takewhile
from math import factorial
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jaxtyping import Float64, Int
from scipy.stats import false_discovery_control, kendalltau, rankdata

from attn_audit.statistics.kendall import (
    KendallResult,
    adjusted,
    count_inversions,
    count_pairs,
    dense_ranks,
    exact_chance,
    inversion_distribution,
    is_constant,
    kendall_tau_of_ranks,
)

RNG = np.random.Generator(np.random.Philox(7))
PAIR_OF_ROWS = arrays(
    np.float64, st.tuples(st.just(2), st.integers(2, 40)), elements=st.integers(0, 9)
)

Values = Float64[np.ndarray, "batch unit"]


def tau_of(x: Values, y: Values, lengths: Int[np.ndarray, " batch"]) -> KendallResult:
    floors = np.zeros(len(x))
    return kendall_tau_of_ranks(
        dense_ranks(x, lengths, floors), dense_ranks(y, lengths, floors), lengths
    )


def tau_of_rows(rows: Float64[np.ndarray, "2 unit"]) -> tuple[float, float]:
    result = tau_of(rows[:1], rows[1:], np.array([rows.shape[1]]))
    return float(result.tau[0]), float(result.p_value[0])


def assert_as_scipy(x: Values, y: Values, lengths: Int[np.ndarray, " batch"]) -> None:
    """Tau to the last bit, p to 1e-12 absolute and 1e-9 relative, NaN in the same places."""
    ours = tau_of(x, y, lengths)
    theirs = [kendalltau(x[row, :n], y[row, :n]) for row, n in enumerate(lengths)]
    np.testing.assert_array_equal(ours.tau, [result.statistic for result in theirs])
    expected_p = [result.pvalue for result in theirs]
    np.testing.assert_allclose(ours.p_value, expected_p, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.p_value, expected_p, rtol=1e-9)


def ragged(longest: int, n_rows: int = 100) -> Int[np.ndarray, " batch"]:
    return RNG.integers(2, longest + 1, n_rows)


@pytest.mark.parametrize("n", [*range(2, 61), 200, 1000])
def test_without_ties_as_scipy(n: int) -> None:
    x, y = RNG.random((2, 3, n))
    assert_as_scipy(x, y, np.full(3, n))


@pytest.mark.parametrize("n", [*range(2, 61), 200, 1000])
def test_with_heavy_ties_as_scipy(n: int) -> None:
    x, y = RNG.integers(0, 4, (2, 3, n)).astype(np.float64)
    assert_as_scipy(x, y, np.full(3, n))


def test_with_ties_on_one_side_as_scipy() -> None:
    x, y = RNG.random((200, 40)), RNG.integers(0, 8, (200, 40)).astype(np.float64)
    assert_as_scipy(x, y, ragged(40, 200))


@pytest.mark.parametrize("longest", [3, 33, 34, 70, 200])
def test_ragged_rows_as_scipy_each_alone(longest: int) -> None:
    x, y = RNG.random((2, 100, longest))
    assert_as_scipy(x, y.round(1), ragged(longest))


@pytest.mark.parametrize("n", [2, 3, 5, 33, 34, 35, 60, 170, 171, 172, 200])
def test_orders_that_agree_up_to_one_pair_as_scipy(n: int) -> None:
    up = np.arange(n, dtype=np.float64)
    swapped = up.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    y = np.stack([up, up[::-1], swapped, swapped[::-1]])
    assert_as_scipy(np.tile(up, (4, 1)), y, np.full(4, n))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 30, 50])
def test_a_constant_side_leaves_tau_undefined(n: int) -> None:
    varying, constant = RNG.random((1, n)), np.ones((1, n))
    for x, y in ((varying, constant), (constant, varying), (constant, constant)):
        result = tau_of(x, y, np.array([n]))
        assert np.isnan([result.tau[0], result.p_value[0]]).all()


def test_a_row_without_units_leaves_tau_undefined() -> None:
    result = tau_of(np.ones((1, 3)), np.ones((1, 3)), np.array([0]))
    assert np.isnan([result.tau[0], result.p_value[0]]).all()


def test_a_batch_without_rows_gives_no_taus() -> None:
    none = np.zeros((0, 4))
    assert tau_of(none, none, np.zeros(0, dtype=np.int64)).tau.shape == (0,)


def test_by_hand() -> None:
    """Of six pairs four agree, one disagrees and one is tied in y: 3 / sqrt(6 * 5)."""
    rows = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 3.0]])
    assert tau_of_rows(rows)[0] == pytest.approx(3 / np.sqrt(30), abs=1e-15)


def test_a_noise_floor_turns_noise_into_ties() -> None:
    lengths, floors = np.array([4]), np.array([1e-6])
    exact = np.array([[0.1, 0.1, 0.4, 0.4]])
    noisy = exact + np.array([[0.0, 3e-8, -2e-8, 5e-8]])
    y = dense_ranks(np.array([[1.0, 2.0, 3.0, 4.0]]), lengths, floors)
    with_noise = kendall_tau_of_ranks(dense_ranks(noisy, lengths, floors), y, lengths)
    without = kendall_tau_of_ranks(dense_ranks(exact, lengths, floors), y, lengths)
    assert with_noise.tau == without.tau


def test_padding_changes_nothing() -> None:
    values = RNG.integers(0, 20, (2, 50, 30)).astype(np.float64)
    lengths = RNG.integers(2, 21, 50)
    x, y = (dense_ranks(side, lengths, np.zeros(50)) for side in values)
    is_unit = np.arange(30) < lengths[:, None]
    filled = np.where(is_unit, [x, y], RNG.integers(0, 9, (2, 50, 30)))
    wider = np.pad([x, y], ((0, 0), (0, 0), (0, 77)))
    expected = kendall_tau_of_ranks(x, y, lengths)
    for padded_x, padded_y in (filled, wider):
        result = kendall_tau_of_ranks(padded_x, padded_y, lengths)
        np.testing.assert_array_equal(result.tau, expected.tau)
        np.testing.assert_array_equal(result.p_value, expected.p_value)


@given(PAIR_OF_ROWS)
def test_lies_within_its_bounds_or_is_undefined(rows: np.ndarray) -> None:
    tau, p_value = tau_of_rows(rows)
    assert np.isnan([tau, p_value]).all() or (-1 <= tau <= 1 and 0 <= p_value <= 1)


@given(PAIR_OF_ROWS)
def test_is_the_same_both_ways_round(rows: np.ndarray) -> None:
    np.testing.assert_allclose(tau_of_rows(rows), tau_of_rows(rows[::-1]), rtol=1e-14)


@given(PAIR_OF_ROWS)
def test_turning_one_side_round_turns_the_sign(rows: np.ndarray) -> None:
    tau, p_value = tau_of_rows(rows)
    np.testing.assert_array_equal(tau_of_rows(rows * [[1.0], [-1.0]]), (-tau, p_value))


@given(PAIR_OF_ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_units_changes_nothing(rows: np.ndarray, random: Random) -> None:
    order = random.sample(range(rows.shape[1]), rows.shape[1])
    np.testing.assert_array_equal(tau_of_rows(rows[:, order]), tau_of_rows(rows))


@given(PAIR_OF_ROWS)
def test_only_the_order_of_the_values_counts(rows: np.ndarray) -> None:
    np.testing.assert_array_equal(tau_of_rows(np.exp(rows)), tau_of_rows(rows))


@given(PAIR_OF_ROWS)
def test_a_side_agrees_with_itself_and_p_is_never_zero(rows: np.ndarray) -> None:
    tau, p_value = tau_of_rows(rows[[0, 0]])
    assert np.isnan(tau) or (tau == pytest.approx(1, abs=1e-15) and p_value > 0)


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


SIDES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


@given(SIDES)
def test_counts_are_those_of_the_definition(units: list[tuple[int, int]]) -> None:
    n = np.array([len(units)])
    values = np.array(units, dtype=np.float64).T
    x, y = (dense_ranks(side[None], n, np.zeros(1)) for side in values)
    pairs = count_pairs(x, y, n)
    products = [(a[0] - b[0]) * (a[1] - b[1]) for a, b in combinations(units, 2)]
    assert pairs.discordant.tolist() == [sum(product < 0 for product in products)]
    assert pairs.difference.tolist() == [sum(np.sign(products))]
    assert pairs.joint_ties.tolist() == [sum(a == b for a, b in combinations(units, 2))]


def test_sums_over_ties_by_hand() -> None:
    """x has groups of 3 and 2, y of 4 in the first row; none in the second."""
    x = np.array([[0, 0, 0, 1, 1], [0, 1, 2, 3, -1]])
    y = np.array([[0, 1, 1, 1, 1], [3, 1, 2, 0, -1]])
    pairs = count_pairs(x, y, np.array([5, 4]))
    assert pairs.x.pairs.tolist() == [3 + 1, 0]
    assert pairs.y.pairs.tolist() == [6, 0]
    assert pairs.joint_ties.tolist() == [1 + 1, 0]
    assert pairs.x.triples.tolist() == [6, 0]
    assert pairs.y.triples.tolist() == [24, 0]
    assert pairs.x.spread.tolist() == [3 * 2 * 11 + 2 * 1 * 9, 0]
    assert pairs.y.spread.tolist() == [4 * 3 * 13, 0]


def test_rows_too_long_for_32_bit_keys_are_counted_too() -> None:
    n = 40_000
    order = np.arange(n)[None]
    pairs = count_pairs(order, order[:, ::-1], np.array([n]))
    assert pairs.discordant.tolist() == [n * (n - 1) // 2]
    assert pairs.x.pairs.tolist() == [0]


def by_definition(row: list[int]) -> int:
    return sum(left > right for left, right in combinations(row, 2))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80))
def test_counts_every_pair_in_the_wrong_order(row: list[int]) -> None:
    assert count_inversions(np.array([row])).tolist() == [by_definition(row)]


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 31, 32, 33, 64, 65, 300])
def test_a_descending_row_inverts_every_pair_at_every_width(n: int) -> None:
    rows = np.stack([np.arange(n), np.arange(n)[::-1], np.zeros(n, dtype=np.int64)])
    assert count_inversions(rows).tolist() == [0, n * (n - 1) // 2, 0]


def test_ranks_too_large_for_16_bits_are_counted_too() -> None:
    n = 20_000
    assert count_inversions(np.arange(n)[None, ::-1]).tolist() == [n * (n - 1) // 2]


def test_a_batch_without_rows_gives_no_counts() -> None:
    assert count_inversions(np.zeros((0, 5), dtype=np.int64)).shape == (0,)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7])
def test_the_distribution_against_all_permutations(n: int) -> None:
    counts = Counter(by_definition(list(order)) for order in permutations(range(n)))
    expected = [counts[k] / factorial(n) for k in range(n * (n - 1) // 2 + 1)]
    np.testing.assert_allclose(inversion_distribution(n), expected, rtol=1e-14)


def test_the_distribution_is_symmetric_and_sums_to_one() -> None:
    probability = inversion_distribution(100)
    assert len(probability) == 4951
    assert probability.sum() == pytest.approx(1, abs=1e-13)
    np.testing.assert_allclose(probability, probability[::-1], rtol=1e-12)


def test_the_shared_distribution_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        inversion_distribution(5)[0] = 1.0


def chance_of(n: int, alpha: float = 0.05) -> float:
    return float(exact_chance(np.array([n]), alpha)[0])


def order_with(n: int, inversions: int) -> Int[np.ndarray, " unit"]:
    """A permutation with so many inversions: the largest goes as far to the left as is needed."""
    order: list[int] = []
    for value in range(n):
        steps = min(inversions, value)
        order.insert(value - steps, value)
        inversions -= steps
    return np.array(order)


@pytest.mark.parametrize("n", [5, 6, 7])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_chance_against_all_permutations(n: int, alpha: float) -> None:
    orders = np.array(list(permutations(range(n))))
    sizes = np.full(len(orders), n)
    result = kendall_tau_of_ranks(np.tile(np.arange(n), (len(orders), 1)), orders, sizes)
    significant = result.p_value <= alpha
    assert chance_of(n, alpha) == pytest.approx(np.mean(significant & (result.tau > 0)))
    assert chance_of(n, alpha) == pytest.approx(np.mean(significant & (result.tau < 0)))


@pytest.mark.parametrize("n", [5, 18, 33, 34, 60])
def test_chance_against_scipys_p_values(n: int) -> None:
    """From the first number of inversions that is not significant on, none is."""
    results = (kendalltau(np.arange(n), order_with(n, k)) for k in count())
    significant = list(takewhile(lambda result: result.pvalue <= 0.05, results))
    assert all(result.statistic > 0 for result in significant)
    assert chance_of(n) == pytest.approx(inversion_distribution(n)[: len(significant)].sum())


def test_below_five_units_nothing_is_significant() -> None:
    assert exact_chance(np.array([0, 1, 2, 3, 4])).tolist() == [0.0] * 5
    assert chance_of(5) > 0


def test_chance_never_exceeds_half_of_alpha_where_p_is_exact() -> None:
    chances = exact_chance(np.arange(34))
    assert (chances <= 0.025).all()


def test_chance_is_near_half_of_alpha_for_long_texts() -> None:
    chances = exact_chance(np.array([60, 100, 101, 5000]))
    np.testing.assert_allclose(chances, 0.025, atol=1e-3)
    assert chances[2:].tolist() == [0.025, 0.025]


def test_each_example_gets_the_chance_of_its_length() -> None:
    lengths = np.array([9, 5, 9, 4])
    assert exact_chance(lengths).tolist() == [chance_of(n) for n in lengths.tolist()]


def test_no_examples_give_no_chances() -> None:
    assert exact_chance(np.zeros(0, dtype=np.int64)).shape == (0,)


@pytest.mark.parametrize("n", [8, 40])
def test_p_values_keep_their_promise_under_the_null(n: int) -> None:
    orders = np.argsort(np.random.Generator(np.random.Philox(3)).random((4000, n)), axis=1)
    sizes = np.full(len(orders), n)
    result = kendall_tau_of_ranks(np.tile(np.arange(n), (len(orders), 1)), orders, sizes)
    rate = np.mean(result.p_value <= 0.05)
    assert rate == pytest.approx(2 * chance_of(n), abs=4 * np.sqrt(0.05 * 0.95 / 4000))


@pytest.mark.parametrize("n", [0, 1, 2, 100])
def test_p_values_are_adjusted_as_scipy_adjusts_them(n: int) -> None:
    """To the bit, with ties among them."""
    values = np.random.Generator(np.random.Philox(n)).random(n).round(2)
    assert adjusted(values).tolist() == false_discovery_control(values).tolist()
