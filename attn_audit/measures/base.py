"""How importance is computed, of a batch a few examples at a time, and what it takes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.models.contract import AuditedModel, Batch, EncodedExample
from attn_audit.progress import in_portions

Importance = Callable[[AuditedModel, Batch], Float[Tensor, "batch unit *number"]]


@dataclass(frozen=True)
class Computation:
    """How a measure's scores come about."""

    scores: Importance
    """Float64 [batch unit], padding 0: larger where a unit speaks more for the prediction, below 0
    where it speaks against it, if the measure is signed."""
    why_not: Callable[[AuditedModel], str | None] = lambda model: None
    """Why a model has no such scores, as a clause; None where it has."""


def n_together(model: AuditedModel, batch: Batch) -> int:
    """How many texts of a batch go through a forward and a backward pass at once."""
    longest = max(item.n_tokens for item in batch.encoded)
    return max(1, model.capacity.n_tokens // longest)


N_SQUARES = 5
"""Copies of an attention, of 8 bytes a weight, that what is made of it takes at once."""


def n_whole_together(model: AuditedModel, batch: Batch) -> int:
    """How many do where every layer's whole attention is kept."""
    longest = max(item.n_tokens for item in batch.encoded)
    n_weights = sum(layer.n_heads for layer in model.layers) * longest**2
    return min(n_together(model, batch), model.capacity.in_memory(8 * N_SQUARES * n_weights))


def normalised(weights: Float64[Tensor, "*batch unit"]) -> Float64[Tensor, "*batch unit"]:
    """Weights over their sum along the last axis; zeros stay zeros."""
    total = weights.sum(dim=-1, keepdim=True)
    return weights / torch.where(total > 0, total, 1)


def measured_in_portions(
    measure: Importance, model: AuditedModel, batch: Batch, size: int
) -> Float[Tensor, "batch unit *number"]:
    """What a measure says of a batch, `size` examples at a time: more states are not in memory."""
    return joined_portions(lambda part, _: measure(model, part), model, batch, size)


def joined_portions(
    measure: Callable[[Batch, slice], Float[Tensor, "batch unit *number"]],
    model: AuditedModel,
    batch: Batch,
    size: int,
) -> Float[Tensor, "batch unit *number"]:
    """The same of what has to know which of the examples they are."""
    if len(batch) <= size:
        return measure(batch, slice(0, len(batch)))
    n_units, parts = batch.unit_mask.shape[1], []
    for portion in in_portions(len(batch), size):
        found = measure(model.collate(batch.encoded[portion]), portion)
        padding = found.new_zeros(len(found), n_units - found.shape[1], *found.shape[2:])
        parts.append(torch.cat([found, padding], dim=1))
    return torch.cat(parts)


@dataclass
class MeasureCost:
    """What one measure took."""

    n_texts: int = 0
    passes: int = 0
    seconds: float = 0.0


Costs = dict[str, MeasureCost]
"""By the names of measures."""

_counted: ContextVar[tuple[Costs, MeasureCost] | None] = ContextVar("counted", default=None)
"""What measures cost, and what is spent on the one under way beyond its rule."""


@contextmanager
def counting(costs: Costs) -> Iterator[None]:
    """Within: what is measured adds to these costs."""
    token = _counted.set((costs, MeasureCost()))
    try:
        yield
    finally:
        _counted.reset(token)


@contextmanager
def timed(
    name: str, encoded: Sequence[EncodedExample], passes: Callable[[int], int], device: torch.device
) -> Iterator[None]:
    """Within: a measure is computed of some texts, which takes so many passes as a rule."""
    counted = _counted.get()
    if counted is None:
        yield
        return
    costs, more = counted
    more.passes, more.seconds = 0, 0.0
    begun = time.perf_counter()
    yield
    spent = costs.setdefault(name, MeasureCost())
    spent.seconds += _seconds_since(begun, device) + more.seconds
    spent.n_texts += len(encoded)
    spent.passes += sum(passes(item.n_units) for item in encoded) + more.passes


def count_more(passes: int = 0, seconds: float = 0.0) -> None:
    """Note what is spent on a measure beyond what it takes as a rule."""
    counted = _counted.get()
    if counted is not None:
        counted[1].passes += passes
        counted[1].seconds += seconds


def shared(batch: Batch, name: str, compute: Callable[[], Tensor]) -> Tensor:
    """What several measures are made of: computed for the first, and a part of what each costs."""
    if name in batch.shared:
        found, seconds = batch.shared[name]
        count_more(seconds=seconds)
        return found
    begun = time.perf_counter()
    found = compute()
    batch.shared[name] = found, _seconds_since(begun, found.device)
    return found


def _seconds_since(begun: float, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun
