from collections import Counter
from itertools import combinations, permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.statistics.kendall import dense_ranks
from attn_audit.statistics.pair_counts import count_inversions, count_pairs, inversion_distribution

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
