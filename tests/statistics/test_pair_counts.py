from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.statistics.pair_counts import count_pairs
from attn_audit.statistics.ranks import dense_ranks

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
