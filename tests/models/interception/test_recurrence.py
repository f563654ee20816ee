"""Recurrent encoders: attention of any layout is replayed, and what lies before it runs once."""

import pytest
import torch

from tests.models.interception.matrix import assert_close, padded_batch, read
from tests.models.interception.passes import random_attention
from tests.models.interception.toys import LstmToy, audited_toy

LAYOUTS = ("batch key", "batch 1 key", "batch key 1")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("is_packed", [False, True], ids=["padded", "packed"])
def test_replay_mixes_the_hidden_states(layout: str, is_packed: bool) -> None:
    toy = LstmToy(layout, is_packed=is_packed)
    model = audited_toy(toy, can_mask=False)
    batch = padded_batch(model)
    reading = read(model, batch)
    attention = random_attention(reading, 4)
    ids, real = batch.inputs.keywords["input_ids"], batch.inputs.real
    with torch.no_grad():
        hidden = toy.encoded(toy.embedding(ids), real)
        expected = toy.head(attention.squeeze(2) @ hidden)
    assert_close(reading.replay(attention), expected)


@pytest.mark.parametrize("is_packed", [False, True], ids=["padded", "packed"])
def test_a_recurrent_encoder_is_not_run_again(is_packed: bool) -> None:
    toy = LstmToy(is_packed=is_packed)
    model = audited_toy(toy, can_mask=False)
    findings = model.describe().findings
    assert findings is not None
    assert findings.replay == "resume"
    batch = padded_batch(model)
    toy.lstm.n_runs = 0
    reading = read(model, batch)
    assert toy.lstm.n_runs == 1
    torch.autograd.backward(reading.replay(random_attention(reading, 4).requires_grad_()).sum())
    assert toy.lstm.n_runs == 1


def test_the_only_row_is_read_out() -> None:
    findings = audited_toy(LstmToy(), can_mask=False).describe().findings
    assert findings is not None
    assert findings.readout == "the only row"
    assert findings.masking_leaks is None
    assert findings.removal == "delete"
