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


def mixed(z: int) -> int:
    """SplitMix64's finaliser as published, on Python's whole numbers."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def plain_order(key: int, draw: int, n: int) -> list[int]:
    """Positions in the order of the upper 44 bits of their hashes, ties in their own order."""
    golden = 0x9E3779B97F4A7C15
    of_draw = mixed((key + golden * (draw + 1)) % 2**64)
    upper = [mixed((of_draw + golden * (i + 1)) % 2**64) >> 20 for i in range(n)]
    return sorted(range(n), key=lambda i: (upper[i], i))


@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(5, 40)), min_size=1, max_size=5),
    st.integers(0, 90),
)
def test_a_draw_is_the_order_of_its_hashes(cases: list[tuple[int, int]], first: int) -> None:
    keys, lengths = np.array([key for key, _ in cases], dtype=np.uint64), [n for _, n in cases]
    order = permutations(keys, np.array(lengths), range(first, first + 3), max(lengths) + 1)
    for i, (key, n) in enumerate(cases):
        for draw in range(3):
            assert order[i, draw, :n].tolist() == plain_order(key, first + draw, n)


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
