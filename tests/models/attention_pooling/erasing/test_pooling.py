import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from attn_audit.models.attention_pooling.erasing.pooling import (
    NOTHING,
    Pooled,
    around_each_gap,
    running_union,
    union,
    union_of_all,
)

N_EXAMPLES, N_VALUES = 3, 2


def units(n_units: int, seed: int, scale: float) -> tuple[Tensor, Tensor, Tensor, Pooled]:
    """Scores, values and mask of some texts side by side, and the same as parts."""
    generator = torch.Generator().manual_seed(seed)
    scores = scale * torch.randn(n_units, N_EXAMPLES, generator=generator)
    values = torch.randn(n_units, N_EXAMPLES, N_VALUES, generator=generator)
    lengths = torch.randint(1, n_units + 1, (N_EXAMPLES,), generator=generator)
    mask = torch.arange(n_units).unsqueeze(1) < lengths
    return scores.double(), values.double(), mask, Pooled.of_units(scores, values, mask)


def attended(scores: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """The attention-weighted mean over the units in a mask; 0 where there are none."""
    weights = scores.masked_fill(~mask, NOTHING).softmax(dim=0) * mask
    return torch.einsum("ub,ubv->bv", weights, values)


sizes = st.integers(1, 12)
seeds = st.integers(0, 10_000)
scales = st.sampled_from([0.1, 3.0, 2_000.0])


@given(sizes, seeds, scales)
def test_units_together_are_the_attended_text(n_units: int, seed: int, scale: float) -> None:
    scores, values, mask, parts = units(n_units, seed, scale)
    expected = attended(scores, values, mask)
    torch.testing.assert_close(union_of_all(parts), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(running_union(parts).mean[-1], expected, rtol=0, atol=1e-12)


@given(sizes, seeds, scales, st.integers(0, 4))
def test_what_lies_around_a_gap_is_the_text_without_it(
    n_units: int, seed: int, scale: float, half: int
) -> None:
    """Even where the gap takes a unit with it that outweighs all others beyond any number."""
    scores, values, mask, parts = units(n_units, seed, scale)
    rest = union(*around_each_gap(parts, half)).mean
    positions = torch.arange(n_units).unsqueeze(1)
    for unit in range(n_units):
        outside = (positions - unit).abs() > half
        expected = attended(scores, values, mask & outside)
        torch.testing.assert_close(rest[unit], expected, rtol=0, atol=1e-12)


def test_nothing_adds_nothing() -> None:
    parts = units(5, 0, 1.0)[3]
    nothing = Pooled.nothing((5, N_EXAMPLES), N_VALUES, torch.device("cpu"))
    for joined in (union(parts, nothing), union(nothing, parts)):
        assert torch.equal(joined.mean, parts.mean)
        assert torch.equal(joined.log_weight, parts.log_weight)
    assert not union(nothing, nothing).mean.any()
