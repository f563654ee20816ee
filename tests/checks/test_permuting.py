"""Orders of rows that may attend to some units alone."""

import itertools
from collections import Counter

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.checks.permuting import orders_within
from tests.brute import permuted


@given(
    st.integers(1, 7).flatmap(
        lambda n: st.tuples(
            st.permutations(range(n)), st.lists(st.booleans(), min_size=n, max_size=n)
        )
    )
)
def test_a_row_takes_its_units_in_the_common_order(case: tuple[list[int], list[bool]]) -> None:
    order, admissible = np.array(case[0]), np.array(case[1])
    weights = np.arange(len(order)) + 1.0
    within = orders_within(
        torch.from_numpy(order)[None, None], torch.from_numpy(admissible)[None, None]
    )
    expected = permuted(weights, order, np.flatnonzero(admissible).tolist())
    assert (weights[within[0, 0, 0].numpy()] == expected).all()


@given(st.permutations(range(6)))
def test_a_row_that_sees_everything_takes_the_common_order(order: list[int]) -> None:
    common = torch.tensor(order)[None, None]
    within = orders_within(common, torch.ones(1, 1, 6, dtype=torch.bool))
    assert within[:, :, 0].equal(common)


def test_every_order_of_a_rows_units_is_as_frequent() -> None:
    every = torch.tensor(list(itertools.permutations(range(5))))[None]
    admissible = torch.tensor([[[True, False, True, True, False]]])
    within = orders_within(every, admissible)[0, :, 0]
    found = Counter(tuple(order) for order in within[:, [0, 2, 3]].tolist())
    assert set(found) == set(itertools.permutations((0, 2, 3)))
    assert set(found.values()) == {120 // 6}
    assert (within[:, [1, 4]] == torch.tensor([1, 4])).all()


def test_rows_of_a_batch_do_not_mix() -> None:
    torch.manual_seed(0)
    order = torch.rand(3, 4, 6).argsort(-1)
    admissible = torch.rand(3, 2, 6) < 0.6
    together = orders_within(order, admissible)
    for i, v, r in itertools.product(range(3), range(4), range(2)):
        alone = orders_within(order[i : i + 1, v : v + 1], admissible[i : i + 1, r : r + 1])
        assert together[i, v, r].equal(alone[0, 0, 0])
