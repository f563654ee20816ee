from itertools import permutations

import numpy as np
import pytest
from jaxtyping import Int
from scipy.stats import false_discovery_control, kendalltau

from attn_audit.statistics.kendall import kendall_tau_of_ranks
from attn_audit.statistics.pair_counts import inversion_distribution
from attn_audit.statistics.significance import adjusted, exact_chance


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
    most = n * (n - 1) // 2
    results = [kendalltau(np.arange(n), order_with(n, k)) for k in range(most + 1)]
    significant = [result.pvalue <= 0.05 and result.statistic > 0 for result in results]
    assert chance_of(n) == pytest.approx(inversion_distribution(n)[significant].sum())


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
