import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from attn_audit.distances import (
    MAX_JSD,
    attainable_jsd,
    entropy,
    jensen_shannon_divergence,
    mean_absolute_difference,
    pair_term,
    total_variation_distance,
)


def distributions(seed: int, n: int, n_units: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.dirichlet(np.full(n_units, 0.3), size=n))


@pytest.mark.parametrize("n_units", [1, 2, 5, 50])
def test_divergence_against_scipys_distance_squared(n_units: int) -> None:
    p, q = distributions(0, 20, n_units), distributions(1, 20, n_units)
    expected = jensenshannon(p.numpy(), q.numpy(), axis=1) ** 2
    assert np.allclose(jensen_shannon_divergence(p, q).numpy(), expected, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_divergence_is_symmetric_bounded_and_zero_at_home(seed: int, n_units: int) -> None:
    p, q = distributions(seed, 3, n_units), distributions(seed + 1, 3, n_units)
    forth, back = jensen_shannon_divergence(p, q), jensen_shannon_divergence(q, p)
    assert torch.allclose(forth, back, atol=1e-15)
    assert (forth >= 0).all()
    assert (forth <= MAX_JSD).all()
    assert torch.allclose(jensen_shannon_divergence(p, p), torch.zeros(3).double(), atol=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_divergence_does_not_depend_on_the_order_of_units(seed: int, n_units: int) -> None:
    p, q = distributions(seed, 2, n_units), distributions(seed + 1, 2, n_units)
    order = torch.randperm(n_units, generator=torch.Generator().manual_seed(seed))
    shuffled = jensen_shannon_divergence(p[:, order], q[:, order])
    assert torch.allclose(jensen_shannon_divergence(p, q), shuffled, atol=1e-12)


def test_no_distribution_is_farther_than_the_attainable() -> None:
    a = distributions(2, 50, 6)
    bound = attainable_jsd(a.min(dim=1).values)
    singles = jensen_shannon_divergence(torch.eye(6).double().unsqueeze(0), a.unsqueeze(1))
    assert torch.allclose(singles.amax(dim=1), bound, atol=1e-12)
    for seed in range(3, 20):
        assert (jensen_shannon_divergence(distributions(seed, 50, 6), a) <= bound + 1e-12).all()


def test_terms_of_the_support_are_the_divergence() -> None:
    a, w = distributions(4, 10, 5), distributions(5, 10, 5)
    assert torch.allclose(
        MAX_JSD + pair_term(a, w).sum(dim=1) / 2, jensen_shannon_divergence(a, w), atol=1e-12
    )


def test_entropy_of_uniform_weights_is_the_logarithm_of_their_number() -> None:
    assert torch.allclose(entropy(torch.full((7,), 1 / 7)), torch.tensor(7.0).log())


def test_total_variation_by_hand() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.3, 0.5])
    assert torch.allclose(total_variation_distance(p, q), torch.tensor(0.3))


def test_one_sigmoid_moves_as_far_as_its_two_labels() -> None:
    p, q = torch.tensor([0.8]), torch.tensor([0.55])
    both = total_variation_distance(torch.cat([p, 1 - p]), torch.cat([q, 1 - q]))
    assert torch.allclose(mean_absolute_difference(p, q), both)
