"""What measures take where they are computed: passes, and time."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch

from attn_audit.models.contract import Encoded


@dataclass
class Spent:
    """On one measure."""

    n_texts: int = 0
    passes: int = 0
    seconds: float = 0.0


Costs = dict[str, Spent]
"""By the names of measures."""

_counted: ContextVar[tuple[Costs, list[int]] | None] = ContextVar("counted", default=None)


@contextmanager
def counting(costs: Costs) -> Iterator[None]:
    """Within: what is measured adds to these costs."""
    token = _counted.set((costs, [0]))
    try:
        yield
    finally:
        _counted.reset(token)


@contextmanager
def timed(
    name: str, encoded: Sequence[Encoded], passes: Callable[[int], int], device: torch.device
) -> Iterator[None]:
    """Within: a measure is computed of some texts.

    Args:
        passes: That a text of so many units takes as a rule.
    """
    counted = _counted.get()
    if counted is None or not encoded:
        yield
        return
    costs, more = counted
    more[0] = 0
    begun = time.perf_counter()
    yield
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    spent = costs.setdefault(name, Spent())
    spent.seconds += time.perf_counter() - begun
    spent.n_texts += len(encoded)
    spent.passes += sum(passes(item.n_units) for item in encoded) + more[0]


def count_passes(n: int) -> None:
    """Note passes beyond those that a measure takes as a rule."""
    counted = _counted.get()
    if counted is not None:
        counted[1][0] += n
