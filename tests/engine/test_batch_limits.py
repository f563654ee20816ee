"""How large a batch may be follows from the model's size and the machine's."""

import pytest
import torch
from torch import nn

from attn_audit.engine import batch_limits as module
from attn_audit.engine.batch_limits import (
    N_EXAMPLES,
    N_TOKENS,
    BatchLimits,
    batch_limits,
    bytes_per_token,
)
from tests.tiny import tiny_model


def test_a_small_model_gets_the_batches_that_the_device_likes() -> None:
    assert batch_limits(tiny_model(), "auto") == BatchLimits(N_EXAMPLES, N_TOKENS)


def test_a_large_model_gets_smaller_batches() -> None:
    model = tiny_model()
    model.module = nn.ModuleList([nn.Linear(8, 200_000, device="meta")])
    assert batch_limits(model, "auto") == BatchLimits(N_EXAMPLES, 512)


def test_a_huge_model_gets_at_least_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY", 1)
    assert batch_limits(tiny_model(), "auto") == BatchLimits(N_EXAMPLES, 256)


def test_a_small_machine_gets_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = bytes_per_token(tiny_model().module)
    monkeypatch.setattr(module, "machine_memory", lambda: 8 * 2048 * needed)
    assert batch_limits(tiny_model(), "auto") == BatchLimits(N_EXAMPLES, 2048)


def test_what_is_asked_for_is_taken() -> None:
    assert batch_limits(tiny_model(), 7).n_examples == 7


@pytest.mark.parametrize(
    ("part", "n_outputs"),
    [
        (nn.Linear(5, 30), 30),
        (nn.Embedding(5000, 30), 30),
        (nn.Sequential(nn.Linear(5, 30), nn.LayerNorm(30), nn.Linear(30, 2)), 32),
        (nn.LSTM(5, 10), 80),
    ],
)
def test_memory_grows_with_the_outputs_of_all_layers(part: nn.Module, n_outputs: int) -> None:
    assert bytes_per_token(part) == 2 * 4 * n_outputs
    assert bytes_per_token(part.to(torch.float64)) == 2 * 8 * n_outputs


def test_what_was_too_much_is_halved() -> None:
    assert BatchLimits(N_EXAMPLES, N_TOKENS).below(900) == BatchLimits(N_EXAMPLES, 450)
    assert BatchLimits(N_EXAMPLES, N_TOKENS).below(1) == BatchLimits(N_EXAMPLES, 1)
