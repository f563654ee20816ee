"""How much is computed at once follows from the model's size and the machine's."""

import pytest
import torch
from torch import nn

from attn_audit.models import capacity as module
from attn_audit.models.capacity import (
    N_EXAMPLES,
    N_TOKENS,
    BatchLimits,
    Capacity,
    bytes_per_token,
    full_batches,
    in_order,
)
from tests.tiny import tiny_model

CPU = torch.device("cpu")


def n_tokens(part: nn.Module) -> int:
    return Capacity.of(part, CPU).n_tokens


def test_a_small_model_gets_the_passes_that_the_device_likes() -> None:
    assert n_tokens(tiny_model().module) == N_TOKENS


def test_a_large_model_gets_smaller_passes() -> None:
    assert n_tokens(nn.Linear(8, 100_000, device="meta")) == 512


def test_a_huge_model_gets_at_least_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY", 1)
    assert n_tokens(tiny_model().module) == 256


def test_a_small_machine_gets_smaller_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = bytes_per_token(tiny_model().module)
    monkeypatch.setattr(module, "machine_memory", lambda: 16 * 2048 * needed)
    found = Capacity.of(tiny_model().module, CPU)
    assert found.n_tokens == 2048
    assert 1024 * needed < found.memory <= 2048 * needed


def test_a_gpu_gives_a_part_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    needed, gpu = bytes_per_token(tiny_model().module), torch.device("cuda")
    for free, expected in ((5 * 4096 * needed, 4096), (10**12, 65_536), (1, 256)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, n=free: (n, 2 * n))
        found = Capacity.of(tiny_model().module, gpu)
        assert found.n_tokens == expected
        assert found.memory <= max(1, free / 4)


def test_what_fits_is_counted_in_bytes_and_never_nothing() -> None:
    capacity = Capacity(memory=1000, cache=100, n_tokens=256)
    assert (capacity.in_memory(300), capacity.in_memory(10**9)) == (3, 1)
    assert (capacity.in_cache(30), capacity.in_cache(10**9)) == (3, 1)
    assert capacity.halved() == Capacity(memory=500, cache=100, n_tokens=128)


def test_a_batch_is_as_large_as_a_pass_unless_the_user_says_how_large() -> None:
    model = tiny_model()
    assert model.batch_limits("auto") == BatchLimits(N_EXAMPLES, model.capacity.n_tokens)
    assert model.batch_limits(7).n_examples == 7
    model.batches_texts = False
    assert model.batch_limits(7) == model.batch_limits("auto") == BatchLimits(1)


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


def test_passes_on_a_cpu_are_no_wider_than_the_cache() -> None:
    capacity = Capacity(memory=2**29, cache=2**23, n_tokens=2048)
    wide = nn.Sequential(nn.Embedding(30_000, 8), nn.Linear(384, 1536))
    assert capacity.tokens_in_cache(wide) == 1024  # 1536 numbers of 4 bytes each
    assert capacity.tokens_in_cache(nn.Linear(8, 8)) == 2048
    assert capacity.tokens_in_cache(nn.Linear(2, 2**20)) == 256


@pytest.mark.parametrize("may_pad", [True, False])
@pytest.mark.parametrize("most", [0, 40, 400])
def test_batches_hold_every_row_once_and_no_more_than_they_may(most: int, may_pad: bool) -> None:
    lengths = torch.randint(1, 30, (90,), generator=torch.Generator().manual_seed(0))
    batches = list(full_batches(lengths, most, may_pad=may_pad))
    assert torch.cat(batches).sort().values.tolist() == list(range(90))
    assert torch.equal(in_order([lengths[rows] for rows in batches], batches), lengths)
    for rows in batches:
        longest = int(lengths[rows].max())
        assert len(rows) == 1 or longest * len(rows) <= most
        assert may_pad or int(lengths[rows].min()) == longest


def test_padding_is_weighed_against_one_more_pass() -> None:
    few, many = torch.tensor([9, 10]), torch.tensor([10] * 40 + [20] * 40)
    assert [len(rows) for rows in full_batches(few, 1024)] == [2]
    assert [len(rows) for rows in full_batches(many, 4096)] == [40, 40]
