"""What has a way of its own in the networks: the BiLSTM over padded texts."""

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attn_audit.models.paper.network import Architecture, BiLSTMEncoder, mirror

LENGTHS = torch.tensor([3, 7, 2, 5])


@pytest.fixture
def encoder() -> BiLSTMEncoder:
    torch.manual_seed(0)
    architecture = Architecture(
        encoder="bilstm",
        attention="dot",
        is_pair=False,
        vocabulary_size=9,
        embedding_size=4,
        hidden_size=6,
        n_logits=1,
    )
    return BiLSTMEncoder(architecture).double()


@pytest.fixture
def embeddings() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(4, 7, 4, dtype=torch.float64, requires_grad=True)


def plain(encoder: BiLSTMEncoder, embeddings: Tensor) -> tuple[Tensor, Tensor]:
    rows = pack_padded_sequence(embeddings, LENGTHS, batch_first=True, enforce_sorted=False)
    states, (last, _) = encoder.lstm(rows)
    return pad_packed_sequence(states, batch_first=True)[0], torch.cat([*last], dim=-1)


def test_states_and_summary_are_those_of_packed_texts(
    encoder: BiLSTMEncoder, embeddings: Tensor
) -> None:
    expected_states, expected_summary = plain(encoder, embeddings)
    for states in (encoder(embeddings, LENGTHS), encoder._packed(embeddings, LENGTHS)):
        torch.testing.assert_close(states, expected_states)
        torch.testing.assert_close(encoder.summary(states, LENGTHS), expected_summary)


def test_gradients_are_those_of_packed_texts(encoder: BiLSTMEncoder, embeddings: Tensor) -> None:
    inputs = [embeddings, *encoder.parameters()]
    own = encoder(embeddings, LENGTHS)
    gradients = []
    for states, summary in (
        (own, encoder.summary(own, LENGTHS)),
        plain(encoder, embeddings),
    ):
        total = states.square().sum() + summary.sin().sum()
        gradients.append(torch.autograd.grad(total, inputs))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_nothing_changes_without_gradients(encoder: BiLSTMEncoder, embeddings: Tensor) -> None:
    states = encoder(embeddings, LENGTHS)
    with torch.no_grad():
        torch.testing.assert_close(states.detach(), encoder(embeddings, LENGTHS))


def test_reading_backwards_twice_is_reading_forwards() -> None:
    backwards = mirror(LENGTHS, 7)
    assert backwards[3].tolist() == [4, 3, 2, 1, 0, 5, 6]
    assert torch.equal(backwards.gather(1, backwards), torch.arange(7).expand(4, 7))
