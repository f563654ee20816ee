"""The exact adversary against brute force."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.distance import jensenshannon

from attn_audit.checks.adversarial import pairs
from attn_audit.checks.adversarial.exact import exact_adversary
from attn_audit.checks.adversarial.witness import Witness


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
    monkeypatch.setattr(pairs, "CACHE", 10 * 512)
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
