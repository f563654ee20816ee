"""No loop of a search, or over permutations, asks the device for a value at every step.

Where a value is wanted in Python, a GPU has to finish all that it was given before. Such questions
are counted here as they are dispatched, whatever the device; whole tensors that are fetched, as
results are, are not seen on a CPU.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from attn_audit.checks.adversarial.check import Adversarial, Method
from attn_audit.checks.adversarial.gradient import BestIterate
from attn_audit.checks.adversarial.witness import Witness
from attn_audit.checks.base import AuditedBatch, Check, read_batch
from attn_audit.checks.permutation import Permutation
from attn_audit.models.contract import AuditedModel
from tests.rows import RowsModel, Sight, texts
from tests.tiny import tiny_examples, tiny_model

WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2"}
"""What must know values before it can go on: `bool`, `int` and `item`, and sizes that depend on
values."""

MODELS: dict[str, Callable[[], AuditedModel]] = {
    "one row": tiny_model,
    "heads": RowsModel,
    "rows near": lambda: RowsModel(every_row=True, sight=Sight.NEAR),
}

CHECKS: dict[str, Callable[[int], Check]] = {
    "permutation": lambda n: Permutation(0.05, n),
    "search": lambda n: Adversarial(0.05, Method.GRADIENT, n_iterations=n, n_restarts=3),
    "restarts": lambda n: Adversarial(0.05, Method.GRADIENT, n_iterations=3, n_restarts=n),
}


class Waits(TorchDispatchMode):
    """Counts the questions."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.n = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = func._schema.name.removeprefix("aten::")
        indices = args[1] if name.startswith(("index", "_index")) and len(args) > 1 else ()
        by_mask = isinstance(indices, list | tuple) and any(
            isinstance(index, torch.Tensor) and index.dtype == torch.bool for index in indices
        )
        self.n += by_mask or name in WAITING
        return func(*args, **(kwargs or {}))


class OnGPU(BestIterate):
    """The best iterate as a GPU keeps it."""

    def __init__(self, candidate: Witness) -> None:
        super().__init__(candidate)
        self.writes_all = True


def batch_of(name: str) -> AuditedBatch:
    model = MODELS[name]()
    examples = tiny_examples(6, lengths=(4, 9)) if name == "one row" else texts(4, 9, 6, 5)
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=0)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("check", CHECKS)
def test_what_is_asked_does_not_grow_with_the_steps(
    monkeypatch: pytest.MonkeyPatch, check: str, model: str
) -> None:
    monkeypatch.setattr("attn_audit.checks.adversarial.gradient.BestIterate", OnGPU)
    counts = []
    for n_steps in (4, 12):
        audited = batch_of(model)
        with Waits() as waits:
            CHECKS[check](n_steps).run(audited)
        counts.append(waits.n)
    assert counts[0] == counts[1] > 0


def test_a_search_on_a_cpu_asks_at_every_step() -> None:
    """That is: the counting sees what it is meant to see."""
    counts = []
    for n_steps in (4, 12):
        with Waits() as waits:
            CHECKS["search"](n_steps).run(batch_of("heads"))
        counts.append(waits.n)
    assert counts[1] - counts[0] == 8
