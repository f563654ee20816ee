"""Encoders of the paper: embedded tokens in, one state for each position and one for the text out.

A text's positions are its start marker, its units, its end marker. Whatever stands behind the end
marker is padding and changes nothing.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attn_audit.models.attention_pooling.architecture import (
    Activation,
    Architecture,
    EncoderKind,
)

Embeddings = Float[Tensor, "batch position embedding"]
States = Float[Tensor, "batch position hidden"]
Summary = Float[Tensor, "batch hidden"]
"""One state for the whole text: what a question is compared by."""

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    Activation.RELU: torch.relu,
    Activation.TANH: torch.tanh,
    Activation.SIGMOID: torch.sigmoid,
    Activation.LINEAR: lambda values: values,
}


def position_mask(lengths: Int[Tensor, " batch"], n_positions: int) -> Tensor:
    """True at the positions of a text, both markers included: batch by position."""
    return torch.arange(n_positions, device=lengths.device) < lengths.unsqueeze(1)


def inner_mask(lengths: Int[Tensor, " batch"], n_positions: int) -> Tensor:
    """True at the units alone: neither markers nor padding."""
    positions = torch.arange(n_positions, device=lengths.device)
    return (positions > 0) & (positions < lengths.unsqueeze(1) - 1)


class BiLSTMEncoder(nn.Module):
    """One bidirectional LSTM layer; the summary is the last state of each direction."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            architecture.embedding_size,
            architecture.hidden_size,
            batch_first=True,
            bidirectional=True,
        )

    def forward(
        self, embeddings: Embeddings, lengths: Int[Tensor, " batch"]
    ) -> tuple[States, Summary]:
        """States of every position and the summary of each text.

        Args:
            embeddings: Padded; padding is never read.
            lengths: Positions of each text, markers included.
        """
        if torch.is_grad_enabled() and embeddings.device.type == "cpu":
            return self._without_packing(embeddings, lengths)
        packed = pack_padded_sequence(
            embeddings, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        output, (last, _) = self.lstm(packed)
        states, _ = pad_packed_sequence(output, batch_first=True, total_length=embeddings.shape[1])
        return states, torch.cat([last[0], last[1]], dim=-1)

    def _without_packing(
        self, embeddings: Embeddings, lengths: Int[Tensor, " batch"]
    ) -> tuple[States, Summary]:
        """The same: on a CPU, the time of a packed backward pass is quadratic in the length."""
        positions = torch.arange(embeddings.shape[1], device=lengths.device)
        ends = lengths.unsqueeze(1)
        mirror = torch.where(positions < ends, ends - 1 - positions, positions).unsqueeze(-1)
        forth = self._one_way(embeddings, "")
        back = self._one_way(embeddings.take_along_dim(mirror, dim=1), "_reverse")
        back = back.take_along_dim(mirror, dim=1)
        states = torch.cat([forth, back], dim=-1)
        last = forth.take_along_dim(ends.unsqueeze(-1) - 1, dim=1)
        summary = torch.cat([last, back[:, :1]], dim=-1).squeeze(1)
        return states * position_mask(lengths, len(positions)).unsqueeze(-1), summary

    def _one_way(self, embeddings: Embeddings, direction: str) -> States:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [getattr(self.lstm, f"{name}_l0{direction}") for name in names]
        start = embeddings.new_zeros(1, len(embeddings), self.lstm.hidden_size)
        settings = (True, 1, 0.0, self.training, False, True)  # biases, one layer, batch first
        states: Tensor = torch.lstm(embeddings, (start, start), weights, *settings)[0]
        return states


class CNNEncoder(nn.Module):
    """Convolutions of several widths side by side; the summary is the maximum over positions."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(
                architecture.embedding_size, architecture.hidden_size, size, padding=size // 2
            )
            for size in architecture.kernel_sizes
        )
        self.activate = ACTIVATIONS[architecture.activation]

    def forward(
        self, embeddings: Embeddings, lengths: Int[Tensor, " batch"]
    ) -> tuple[States, Summary]:
        """States of every position (0 at markers, as in the original) and the summary.

        Args:
            embeddings: Padded; padding is read as zeros, whatever it holds.
            lengths: Positions of each text, markers included.
        """
        n_positions = embeddings.shape[1]
        visible = embeddings * position_mask(lengths, n_positions).unsqueeze(-1)
        channels = visible.transpose(1, 2)  # batch embedding position
        windows = torch.cat([convolution(channels) for convolution in self.convolutions], dim=1)
        states = self.activate(windows).transpose(1, 2)
        states = states * inner_mask(lengths, n_positions).unsqueeze(-1)
        # The original takes the maximum over these zeroed positions too; every text has markers,
        # so padding adds no zero that was not there.
        return states, states.amax(dim=1)


class AverageEncoder(nn.Module):
    """Each token on its own, projected; the summary is the mean over the text's positions."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.projection: nn.Module = nn.Identity()
        if architecture.has_projection:
            self.projection = nn.Linear(architecture.embedding_size, architecture.hidden_size)
        self.activate = ACTIVATIONS[architecture.activation]

    def forward(
        self, embeddings: Embeddings, lengths: Int[Tensor, " batch"]
    ) -> tuple[States, Summary]:
        """States of every position and the mean over a text's own, markers included.

        Args:
            embeddings: Padded; padding is never averaged (in the original it is).
            lengths: Positions of each text, markers included.
        """
        states = self.activate(self.projection(embeddings))
        own = states * position_mask(lengths, embeddings.shape[1]).unsqueeze(-1)
        return states, own.sum(dim=1) / lengths.unsqueeze(1)


ENCODERS: dict[EncoderKind, type[nn.Module]] = {
    EncoderKind.BILSTM: BiLSTMEncoder,
    EncoderKind.CNN: CNNEncoder,
    EncoderKind.AVERAGE: AverageEncoder,
}


class TextEncoder(nn.Module):
    """Token ids to states: an embedding table of its own and one of the encoders."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.embedding = nn.Embedding(
            architecture.vocabulary_size, architecture.embedding_size, padding_idx=0
        )
        self.encoder = ENCODERS[architecture.encoder](architecture)

    def forward(
        self, embeddings: Embeddings, lengths: Int[Tensor, " batch"]
    ) -> tuple[States, Summary]:
        """States and summary of embedded texts."""
        states, summary = self.encoder(embeddings, lengths)
        return states, summary
