"""Encoders of the paper: a state for each position of a text, and one for the whole text."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attn_audit.models.attention_pooling.architecture import (
    Activation,
    Architecture,
    EncoderKind,
)
from attn_audit.models.attention_pooling.bilstm import BiLSTMEncoder
from attn_audit.models.attention_pooling.fast_tanh import fast_tanh
from attn_audit.models.attention_pooling.positions import (
    Embeddings,
    Lengths,
    States,
    Summary,
    inner_mask,
    position_mask,
)

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    Activation.RELU: torch.relu,
    Activation.TANH: fast_tanh,
    Activation.SIGMOID: torch.sigmoid,
    Activation.LINEAR: lambda values: values,
}


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

    def forward(self, embeddings: Embeddings, lengths: Lengths) -> States:
        """States of every position; 0 at markers, as in the original.

        Args:
            embeddings: Padded; padding is read as zeros, whatever it holds.
            lengths: Positions of each text, markers included.
        """
        n_positions = embeddings.shape[1]
        visible = embeddings * position_mask(lengths, n_positions).unsqueeze(-1)
        channels = visible.transpose(1, 2)  # batch embedding position
        windows = torch.cat([convolution(channels) for convolution in self.convolutions], dim=1)
        states = self.activate(windows).transpose(1, 2)
        return states * inner_mask(lengths, n_positions).unsqueeze(-1)

    def summary(self, states: States, lengths: Lengths) -> Summary:
        """The maximum over positions, the zeros at the markers included, as in the original.

        Args:
            states: From `forward`.
            lengths: Positions of each text, markers included.
        """
        return states.amax(dim=1)  # every text has markers, so padding adds no zero to them


class AverageEncoder(nn.Module):
    """Each token on its own, projected; the summary is the mean over the text's positions."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.projection: nn.Module = nn.Identity()
        if architecture.has_projection:
            self.projection = nn.Linear(architecture.embedding_size, architecture.hidden_size)
        self.activate = ACTIVATIONS[architecture.activation]

    def forward(self, embeddings: Embeddings, lengths: Lengths) -> States:
        """States of every position; at padding they have no meaning.

        Args:
            embeddings: Padded.
            lengths: Positions of each text, markers included.
        """
        states: Tensor = self.activate(self.projection(embeddings))
        return states

    def summary(self, states: States, lengths: Lengths) -> Summary:
        """The mean over a text's own positions, markers included; padding is left out.

        In the original padding counts.

        Args:
            states: From `forward`.
            lengths: Positions of each text, markers included.
        """
        own = states * position_mask(lengths, states.shape[1]).unsqueeze(-1)
        return own.sum(dim=1) / lengths.unsqueeze(1)


Encoder = BiLSTMEncoder | CNNEncoder | AverageEncoder

ENCODERS: dict[EncoderKind, type[Encoder]] = {
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
        self.encoder: Encoder = ENCODERS[architecture.encoder](architecture)
