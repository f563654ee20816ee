"""The recurrent encoder of the paper."""

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attn_audit.models.attention_pooling.architecture import Architecture
from attn_audit.models.attention_pooling.positions import (
    Embeddings,
    Lengths,
    States,
    Summary,
    mirror,
    position_mask,
)


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

    def forward(self, embeddings: Embeddings, lengths: Lengths) -> States:
        """States of every position; 0 at padding.

        Args:
            embeddings: Padded; padding is never read.
            lengths: Positions of each text, markers included.
        """
        if embeddings.device.type == "cpu":
            return self._without_packing(embeddings, lengths)
        return self._packed(embeddings, lengths)

    def summary(self, states: States, lengths: Lengths) -> Summary:
        """The last state of each direction.

        Args:
            states: From `forward`.
            lengths: Positions of each text, markers included.
        """
        size = self.lstm.hidden_size
        last = states.take_along_dim(lengths.view(-1, 1, 1) - 1, dim=1)
        return torch.cat([last[:, 0, :size], states[:, 0, size:]], dim=-1)

    def _packed(self, embeddings: Embeddings, lengths: Lengths) -> States:
        packed = pack_padded_sequence(
            embeddings, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=embeddings.shape[1]
        )
        return states

    def _without_packing(self, embeddings: Embeddings, lengths: Lengths) -> States:
        """The same; on a CPU in less time, and a packed backward pass takes quadratic time."""
        n_texts, n_positions = embeddings.shape[:2]
        first = n_positions * torch.arange(n_texts, device=lengths.device).unsqueeze(1)
        backwards = (first + mirror(lengths, n_positions)).flatten()
        forth = self._one_way(embeddings, "")
        back = self._one_way(_in_order(embeddings, backwards), "_reverse")
        states = torch.cat([forth, _in_order(back, backwards)], dim=-1)
        return states * position_mask(lengths, n_positions).unsqueeze(-1)

    def _one_way(self, embeddings: Embeddings, direction: str) -> States:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [getattr(self.lstm, f"{name}_l0{direction}") for name in names]
        start = embeddings.new_zeros(1, len(embeddings), self.lstm.hidden_size)
        settings = (True, 1, 0.0, self.training, False, True)  # biases, one layer, batch first
        states: Tensor = torch.lstm(embeddings, (start, start), weights, *settings)[0]
        return states


def _in_order(rows: States, order: Int[Tensor, " row"]) -> States:
    """Positions of all texts in another order, row by row: gathering would go number by number."""
    return rows.flatten(0, 1).index_select(0, order).view(rows.shape)
