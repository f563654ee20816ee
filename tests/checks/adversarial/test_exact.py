"""The exact adversary against brute force."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.distance import jensenshannon

from attn_audit.checks.adversarial import exact
from attn_audit.checks.adversarial.exact import exact_adversary, running_minima
from attn_audit.checks.adversarial.witness import Witness
from tests.vertices import best_vertex


def random_case(seed: int, n_units: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Attention, unit logits, and an interval around the own logit; sometimes open."""
    rng = np.random.default_rng(seed)
    a = rng.dirichlet(np.full(n_units, rng.choice([0.2, 1.0, 5.0])))
    v = rng.normal(size=n_units) * rng.choice([0.1, 1.0, 5.0])
    own = float(a @ v)
    low, high = own - rng.exponential(0.3), own + rng.exponential(0.3)
    if seed % 7 == 0:
        low = -np.inf
    if seed % 11 == 0:
        high = np.inf
    return a, v, np.array([low, high])


def solve(a: np.ndarray, v: np.ndarray, interval: np.ndarray) -> Witness:
    mask = torch.ones(1, len(a), dtype=torch.bool)
    attention, logits, bounds = (torch.tensor(x).unsqueeze(0) for x in (a, v, interval))
    return exact_adversary(attention, logits, bounds, mask)


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    return float(jensenshannon(p, q) ** 2)


def vertices(a: np.ndarray, v: np.ndarray, interval: np.ndarray) -> list[np.ndarray]:
    """Every vertex of the polytope, found one by one."""
    n, found = len(a), []
    for i in range(n):
        if interval[0] <= v[i] <= interval[1]:
            found.append(np.eye(n)[i])
        for j in range(n):
            for bound in interval:
                if math.isfinite(bound) and v[i] < bound < v[j]:
                    share = (bound - v[i]) / (v[j] - v[i])
                    found.append((1 - share) * np.eye(n)[i] + share * np.eye(n)[j])
    return found


def search(a: np.ndarray, v: np.ndarray, interval: np.ndarray, seed: int) -> float:
    """The best of a general-purpose optimiser from random starts."""
    rng = np.random.default_rng(seed)
    finite = np.clip(interval, -1e3, 1e3)
    constraints = [
        {"type": "eq", "fun": lambda w: w.sum() - 1},
        {"type": "ineq", "fun": lambda w: w @ v - finite[0]},
        {"type": "ineq", "fun": lambda w: finite[1] - w @ v},
    ]
    best = 0.0
    for _ in range(4):
        result = minimize(  # type: ignore[call-overload]
            lambda w: -divergence(np.clip(w, 0, None) + 1e-300, a),
            rng.dirichlet(np.full(len(a), 0.3)),
            bounds=[(0, 1)] * len(a),
            constraints=constraints,
            method="SLSQP",
        )
        w = np.clip(result.x, 0, None)
        w /= w.sum()
        if finite[0] - 1e-9 <= w @ v <= finite[1] + 1e-9:
            best = max(best, divergence(w, a))
    return best


@pytest.mark.parametrize("seed", range(300))
def test_is_the_best_vertex(seed: int) -> None:
    a, v, interval = random_case(seed, 2 + seed % 7)
    best = max((divergence(w, a) for w in vertices(a, v, interval)), default=0.0)
    assert solve(a, v, interval).jsd.item() == pytest.approx(best, abs=1e-10)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(30))
def test_no_search_beats_it(seed: int) -> None:
    a, v, interval = random_case(seed, 2 + seed % 5)
    assert search(a, v, interval, seed) <= solve(a, v, interval).jsd.item() + 1e-7


@settings(deadline=None)
@given(st.integers(0, 100_000), st.integers(1, 12))
def test_witness_is_a_distribution_within_the_interval_at_its_divergence(
    seed: int, n_units: int
) -> None:
    a, v, interval = random_case(seed, n_units)
    witness = solve(a, v, interval)
    w = witness.attention[0, 0].numpy()
    assert (w >= 0).all()
    assert w.sum() == pytest.approx(1, abs=1e-12)
    assert interval[0] - 1e-9 <= w @ v <= interval[1] + 1e-9
    assert divergence(w, a) == pytest.approx(witness.jsd.item(), abs=1e-9)


@settings(deadline=None)
@given(st.integers(0, 100_000), st.integers(2, 10))
def test_order_of_units_does_not_matter(seed: int, n_units: int) -> None:
    a, v, interval = random_case(seed, n_units)
    order = np.random.default_rng(seed).permutation(n_units)
    shuffled = solve(a[order], v[order], interval).jsd.item()
    assert shuffled == pytest.approx(solve(a, v, interval).jsd.item(), abs=1e-12)


def test_padding_and_batching_change_nothing() -> None:
    cases = [random_case(seed, n) for seed, n in ((1, 3), (2, 9), (3, 6))]
    a, v = torch.zeros(3, 9).double(), torch.zeros(3, 9).double()
    mask = torch.zeros(3, 9, dtype=torch.bool)
    for i, (attention, logits, _) in enumerate(cases):
        n = len(attention)
        a[i, :n], v[i, :n], mask[i, :n] = torch.tensor(attention), torch.tensor(logits), True
    intervals = torch.tensor(np.stack([interval for *_, interval in cases]))
    together = exact_adversary(a, v, intervals, mask)
    for i, case in enumerate(cases):
        alone = solve(*case)
        n = len(case[0])
        assert together.jsd[i] == alone.jsd[0]
        assert torch.equal(together.attention[i, 0, :n], alone.attention[0, 0])


def test_blocks_change_nothing_ties_included(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a = np.full(30, 1 / 30)
    v = rng.integers(-2, 3, size=30).astype(float)  # many ties
    interval = np.array([-0.5, 0.5])
    whole = solve(a, v, interval)
    monkeypatch.setattr(exact, "CACHE", 10 * 512)
    assert torch.equal(solve(a, v, interval).attention, whole.attention)


def test_ties_go_to_the_lowest_index() -> None:
    witness = solve(np.full(4, 0.25), np.zeros(4), np.array([-1.0, 1.0]))
    assert witness.attention[0, 0].tolist() == [1, 0, 0, 0]


def test_an_open_interval_leaves_the_least_attended_unit() -> None:
    witness = solve(
        np.array([0.5, 0.2, 0.3]), np.array([1.0, 2.0, 3.0]), np.array([-np.inf, np.inf])
    )
    assert witness.attention[0, 0].tolist() == [0, 1, 0]


def test_a_single_unit_stays() -> None:
    witness = solve(np.array([1.0]), np.array([2.0]), np.array([1.9, 2.1]))
    assert witness.jsd.item() == 0
    assert witness.attention.flatten().tolist() == [1]


def test_an_interval_that_rounding_emptied_leaves_the_models_own_attention() -> None:
    witness = solve(np.array([0.5, 0.5]), np.array([0.0, 0.0]), np.array([1e-9, 2e-9]))
    assert witness.jsd.item() == 0
    assert witness.attention[0, 0].tolist() == [0.5, 0.5]


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


@settings(deadline=None, max_examples=150)
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
        patch.setattr(exact, "CACHE", max_pairs * 512)
        assert_is_the_best_vertex(list(zip(attention, logits, intervals, strict=True)))


def test_nothing_is_pruned_where_attention_rises_with_the_logits_size() -> None:
    v = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
    order, above = np.arange(6)[None], (v > 0)[None]
    assert running_minima(np.abs(v)[None], order, above).tolist() == above.tolist()


def test_a_unit_between_two_with_no_more_attention_is_pruned() -> None:
    a, every = np.array([[0.1, 0.2, 0.4, 0.2, 0.1]]), np.ones((1, 5), dtype=bool)
    order = np.array([[0, 3, 2, 1, 4]])
    assert running_minima(a, order, every).tolist() == [[True, False, False, False, True]]
