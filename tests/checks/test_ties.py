"""What is a tie follows how finely the model computes: no ranking is one of its rounding."""

from typing import Any

import numpy as np
import pytest
import torch

from attn_audit.checks.ties import ranks_of
from attn_audit.results.table import Row
from attn_audit.verification.recomputation import Rankings
from tests.records import table

# In each row below: a dtype, a step of the numbers that ties in it, and one that does not.
ATTENTION = [
    ("float32", 0.7e-5, 1.3e-5),
    ("float64", 1.3e-14, 2.4e-14),
    ("float16", 0.007, 0.013),
    ("bfloat16", 0.055, 0.1),
]
GRADIENT = [
    ("float32", 0.7e-6, 1.3e-6),
    ("float64", 1.3e-15, 2.4e-15),
    ("float16", 0.0057, 0.0107),
    ("bfloat16", 0.046, 0.085),
]
LEAVE_ONE_OUT = [
    ("float32", 1.4e-7, 2.6e-7),
    ("float64", 2.6e-16, 4.8e-16),
    ("float16", 0.00115, 0.0021),
    ("bfloat16", 0.0092, 0.017),
]


def record(attention: Any, gradient: Any, leave_one_out: Any) -> Row:
    pair = (
        "correlation.attention_gradient",
        "correlation.attention_leave_one_out",
        "correlation.gradient_leave_one_out",
    )
    lists = {"attention": attention, "gradient": gradient, "leave_one_out": leave_one_out}
    fields: dict[str, Any] = {**lists, **dict.fromkeys(pair, 1.0)}
    return {"id": "e", "n_units": 2, "units": ("a", "b"), **fields}


def holds(dtype: str, **lists: tuple[float, float]) -> bool:
    """Whether the three lists rank their two units, so that all taus are 1, as they claim."""
    ranked = {"attention": (0.3, 0.7), "gradient": (0.1, 2.0), "leave_one_out": (0.1, 0.5)}
    rankings = Rankings(dtype)
    rankings.check(table([record(**{**ranked, **lists})]))
    return rankings.tallies[0].claim().n_failed == 0


@pytest.mark.parametrize(("dtype", "tied", "apart"), ATTENTION)
def test_attention_ties_in_parts_of_itself(dtype: str, tied: float, apart: float) -> None:
    assert not holds(dtype, attention=(0.4, 0.4 * (1 + tied)))
    assert holds(dtype, attention=(0.4, 0.4 * (1 + apart)))


@pytest.mark.parametrize(("dtype", "tied", "apart"), GRADIENT)
def test_gradients_tie_in_parts_of_the_largest(dtype: str, tied: float, apart: float) -> None:
    assert not holds(dtype, gradient=(4.0 * (1 - tied), 4.0))
    assert holds(dtype, gradient=(4.0 * (1 - apart), 4.0))


@pytest.mark.parametrize(("dtype", "tied", "apart"), LEAVE_ONE_OUT)
def test_differences_of_probabilities_tie_by_themselves(
    dtype: str, tied: float, apart: float
) -> None:
    assert not holds(dtype, leave_one_out=(0.0, tied))
    assert holds(dtype, leave_one_out=(0.0, apart))


def test_weights_that_underflow_are_ties() -> None:
    assert not holds("float32", attention=(0.7e-38, 0.95e-38))
    assert holds("float32", attention=(1.05e-38, 1.5e-38))
    assert not holds("float16", attention=(1e-5, 3e-5))
    assert holds("float64", attention=(1e-300, 3e-300))


def test_what_is_below_0_ranks_below_and_ties_in_parts_of_itself_too() -> None:
    signed = np.array([[0.3, -0.2, -0.2 * (1 + 1e-6), 1e-30, -1e-30, 0.0, -0.4]])
    ranks = ranks_of("attention", signed, np.array([7]), torch.float32)
    assert ranks.tolist() == [[5, 1, 1, 4, 2, 3, 0]]
