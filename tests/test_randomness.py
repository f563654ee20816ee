import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from attn_audit.randomness import example_keys, n_permutations, normals, permutations


def draw(ids: list[str], lengths: list[int], n_draws: int, n_units: int) -> np.ndarray:
    keys = example_keys(0, ids, "permutation")
    return permutations(keys, np.array(lengths), range(n_draws), n_units)


@given(st.lists(st.integers(5, 30), min_size=1, max_size=6))
def test_every_draw_is_a_permutation_and_padding_stays(lengths: list[int]) -> None:
    n_units = max(lengths) + 2
    order = draw([str(i) for i in range(len(lengths))], lengths, 7, n_units)
    for i, n in enumerate(lengths):
        assert (np.sort(order[i, :, :n], axis=1) == np.arange(n)).all()
        assert (order[i, :, n:] == np.arange(n, n_units)).all()


def test_draws_do_not_depend_on_batch_order_padding_or_portions() -> None:
    together = draw(["a", "b", "c"], [9, 6, 12], 10, 12)
    alone = draw(["b"], [6], 10, 6)
    assert (together[1, :, :6] == alone[0]).all()
    keys = example_keys(0, ["b"], "permutation")
    later = permutations(keys, np.array([6]), range(4, 10), 6)
    assert (later[0] == alone[0, 4:]).all()


def test_seed_id_and_check_change_the_draws() -> None:
    keys = {
        int(example_keys(seed, [name], check)[0])
        for seed, name, check in itertools.product((0, 1), ("a", "b"), ("x", "y"))
    }
    assert len(keys) == 8


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_short_texts_get_every_permutation_once(n: int) -> None:
    n_draws = int(n_permutations(np.array([n]), 100)[0])
    assert n_draws == math.factorial(n)
    found = {tuple(row[:n]) for row in draw(["a"], [n], n_draws, 5)[0].tolist()}
    assert found == set(itertools.permutations(range(n)))


def test_permutations_are_uniform() -> None:
    order = draw([str(i) for i in range(600)], [5] * 600, 100, 5).reshape(-1, 5)
    codes = (order * 5 ** np.arange(5)).sum(axis=1)
    _, counts = np.unique(codes, return_counts=True)
    assert len(counts) == 120
    assert stats.chisquare(counts).pvalue > 0.001


def test_normals_are_standard_normal() -> None:
    values = normals(example_keys(3, [str(i) for i in range(50)], "adversarial"), 5, 40)
    assert stats.kstest(values.ravel(), "norm").pvalue > 0.001


def test_normals_do_not_depend_on_the_number_of_positions() -> None:
    keys = example_keys(3, ["a"], "adversarial")
    assert (normals(keys, 5, 40)[:, :, :7] == normals(keys, 5, 7)).all()
