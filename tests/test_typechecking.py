"""Calls that do not fit their annotations fail in every test, as long as they are few."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError

from attn_audit.data.example import length_batches
from attn_audit.distances import total_variation_distance
from attn_audit.models.contract import LinearReadout
from tests.typechecking import n_calls


@pytest.fixture(autouse=True)
def first_calls() -> Iterator[None]:
    """Whatever other tests have called, which call no more of them for that."""
    before = [(calls, calls[0]) for calls in n_calls.values()]
    for calls, _ in before:
        calls[0] = 0
    yield
    for calls, n in before:
        calls[0] = n


def test_wrong_shapes_are_noticed() -> None:
    with pytest.raises(TypeCheckError):
        total_variation_distance(torch.ones(2, 1), torch.ones(3, 2))


def test_wrong_shapes_in_a_dataclass_are_noticed() -> None:
    with pytest.raises(TypeCheckError):
        LinearReadout(offset=torch.ones(2, 1), unit_logits=torch.ones(3, 2, 1))


def test_wrong_types_are_noticed() -> None:
    many: Any = "many"
    with pytest.raises(BeartypeCallHintViolation):
        length_batches([1, 2], many, 5)
