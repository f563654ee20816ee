import pytest
import torch
from torch import nn

from attn_audit.models.attention_pooling.erasing.lstm_cell import LSTMCell


@pytest.mark.parametrize("suffix", ["", "_reverse"])
@torch.no_grad()
def test_steps_as_the_lstm_of_pytorch_does(suffix: str) -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(4, 6, batch_first=True, bidirectional=True).double()
    embeddings = torch.randn(7, 3, 4, dtype=torch.float64)  # position batch embedding
    cell = LSTMCell(lstm, suffix)
    hidden, cells = torch.zeros(2, 1, 3, 6, dtype=torch.float64)
    inputs = cell.inputs(embeddings)
    states = []
    for position in range(7):
        cell.step(hidden, cells, inputs[position], torch.empty_like(inputs))
        states.append(hidden[0].clone())

    read = embeddings.transpose(0, 1)
    theirs = lstm(read.flip(1))[0].flip(1)[..., 6:] if suffix else lstm(read)[0][..., :6]
    torch.testing.assert_close(torch.stack(states, dim=1), theirs, rtol=0, atol=1e-14)


@torch.no_grad()
def test_variants_of_a_text_do_not_touch_each_other() -> None:
    torch.manual_seed(0)
    cell = LSTMCell(nn.LSTM(4, 6), "")
    inputs = cell.inputs(torch.randn(1, 3, 4))
    hidden, cells = torch.randn(2, 5, 3, 6)
    alone = hidden[2:3].clone(), cells[2:3].clone()
    buffer = torch.empty(5, 3, 24)
    cell.step(hidden, cells, inputs[0], buffer)
    cell.step(*alone, inputs[0], buffer)
    torch.testing.assert_close(hidden[2:3], alone[0])
    torch.testing.assert_close(cells[2:3], alone[1])
