"""What the exact adversary leaves out changes no bit and no tie."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_audit.checks.adversarial import pairs
from attn_audit.checks.adversarial.exact import exact_adversary
from attn_audit.checks.adversarial.pruning import running_minima
from tests.vertices import best_vertex

Case = tuple[np.ndarray, np.ndarray, np.ndarray]

WEIGHTS = st.sampled_from([0.0, 1e-300, 1e-20, 1e-9, 1.0, 1.0 + 1e-15, 2.0, 3.0, 50.0])
"""Few values, so that many tie: none at all, underflow, alike but for rounding, one that rules."""

LOGITS = st.sampled_from([-2.0, -1.0, -1.0 + 1e-15, -1e-15, 0.0, 1e-15, 0.5, 1.0, 3.0])

BOUNDS = st.sampled_from([-np.inf, -1.5, -1.0, -0.25, 0.0, 1e-14, 0.25, 0.75, 1.0, np.inf])


@st.composite
def tied_cases(draw: st.DrawFn) -> Case:
    """Attention, unit logits and interval with equal and nearly equal units and mixtures."""
    units = draw(st.lists(st.tuples(WEIGHTS, LOGITS), min_size=1, max_size=14))
    copied = draw(st.lists(st.sampled_from(units), max_size=6))  # duplicated tokens
    weights, v = np.array(draw(st.permutations(units + copied))).T
    a = weights / weights.sum() if weights.sum() else np.full(len(v), 1 / len(v))
    low, high = sorted((draw(BOUNDS), draw(BOUNDS)))
    return a, np.ascontiguousarray(v), np.array([low, high])


def solve_together(cases: list[Case]) -> list[tuple[float, np.ndarray]]:
    """Divergence and witness of each case, from one padded batch."""
    n_units = max(len(a) for a, *_ in cases)
    a, v = np.zeros((2, len(cases), n_units))
    mask = np.zeros(a.shape, dtype=bool)
    for i, (attention, logits, _) in enumerate(cases):
        n = len(attention)
        a[i, :n], v[i, :n], mask[i, :n] = attention, logits, True
    intervals = np.stack([interval for *_, interval in cases])
    witness = exact_adversary(*(torch.from_numpy(x) for x in (a, v, intervals, mask)))
    rows = zip(witness.jsd.tolist(), witness.attention[:, 0].numpy(), mask, strict=True)
    return [(jsd, weights[kept]) for jsd, weights, kept in rows]


def assert_is_the_best_vertex(cases: list[Case]) -> None:
    for (jsd, weights), case in zip(solve_together(cases), cases, strict=True):
        expected_jsd, expected_weights = best_vertex(*case)
        assert jsd == expected_jsd
        assert weights.tolist() == expected_weights.tolist()


@settings(deadline=None, max_examples=400)
@given(st.lists(tied_cases(), min_size=1, max_size=4))
def test_pruning_changes_nothing_however_many_tie(cases: list[Case]) -> None:
    assert_is_the_best_vertex(cases)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.sampled_from([1, 7, 2**16]))
def test_pruning_changes_nothing_on_random_texts_in_blocks_of_any_size(
    seed: int, n_units: int, max_pairs: int
) -> None:
    rng = np.random.default_rng(seed)
    attention = rng.dirichlet(np.full(n_units, 0.3), size=3)
    logits = rng.normal(size=(3, n_units))
    own = (attention * logits).sum(axis=1, keepdims=True)
    intervals = own + np.array([-1, 1]) * rng.exponential(0.1, size=(3, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "CACHE", max_pairs * 512)
        assert_is_the_best_vertex(list(zip(attention, logits, intervals, strict=True)))


def test_nothing_is_pruned_where_attention_rises_with_the_logits_size() -> None:
    v = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
    order, above = np.arange(6)[None], (v > 0)[None]
    assert running_minima(np.abs(v)[None], order, above).tolist() == above.tolist()


def test_a_unit_between_two_with_no_more_attention_is_pruned() -> None:
    a, every = np.array([[0.1, 0.2, 0.4, 0.2, 0.1]]), np.ones((1, 5), dtype=bool)
    order = np.array([[0, 3, 2, 1, 4]])
    assert running_minima(a, order, every).tolist() == [[True, False, False, False, True]]
