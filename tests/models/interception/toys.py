"""Small classifiers in plain PyTorch, called as transformers are: what users write themselves."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attn_audit.models.interception.model import InterceptedModel
from tests.models.interception.zoo import VOCABULARY, IdsClassifier, examples

N_LABELS, HIDDEN, HEADS = 3, 16, 4


class Toy(nn.Module):
    """Token ids and mask in, an object with logits out."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(VOCABULARY, HIDDEN)
        self.head = nn.Linear(HIDDEN, N_LABELS)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embedding

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        real = attention_mask.bool()
        return SimpleNamespace(logits=self.head(self.pooled(input_ids, real)))

    def pooled(self, ids: Tensor, real: Tensor) -> Tensor:
        """One vector for each text."""
        raise NotImplementedError


class CountingLstm(nn.LSTM):
    """Knows how often it has run."""

    n_runs = 0

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.n_runs += 1
        return super().forward(*args, **kwargs)


class LstmToy(Toy):
    """BiLSTM, additive attention, and something between the pooling and the linear head."""

    def __init__(
        self,
        layout: str = "batch key",
        behind: Callable[[Tensor], Tensor] | None = None,
        is_packed: bool = False,
    ) -> None:
        super().__init__()
        self.lstm = CountingLstm(HIDDEN, HIDDEN // 2, bidirectional=True, batch_first=True)
        self.scores = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(3)
        self.layout, self.is_packed = layout, is_packed
        self.behind = behind or nn.Identity()

    def pooled(self, ids: Tensor, real: Tensor) -> Tensor:
        hidden = self.encoded(self.embedding(ids), real)
        scores = self.scores(hidden).squeeze(-1).masked_fill(~real, -torch.inf)
        match self.layout:
            case "batch key":
                weights = scores.softmax(-1).unsqueeze(1)
            case "batch 1 key":
                weights = scores.unsqueeze(1).softmax(-1)
            case _:
                weights = torch.softmax(scores.unsqueeze(2), dim=1).mT
        pooled: Tensor = self.behind((weights @ hidden).squeeze(1))
        return pooled

    def encoded(self, embedded: Tensor, real: Tensor) -> Tensor:
        if not self.is_packed:
            hidden: Tensor = self.lstm(embedded * real.unsqueeze(-1))[0]
            return hidden
        lengths = real.sum(1)
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        states: Tensor = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]
        return states


class TorchToy(Toy):
    """`torch.nn.TransformerEncoder`, its first token read out."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(HIDDEN, HEADS, 32, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=batch_first)
        self.batch_first = batch_first

    def pooled(self, ids: Tensor, real: Tensor) -> Tensor:
        hidden = self.embedding(ids if self.batch_first else ids.T)
        hidden = self.encoder(hidden, src_key_padding_mask=~real)
        first: Tensor = hidden[:, 0] if self.batch_first else hidden[0]
        return first


class MultiheadToy(Toy):
    """One `torch.nn.MultiheadAttention`, read out everywhere."""

    def __init__(self, batch_first: bool, need_weights: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(HIDDEN, HEADS, batch_first=batch_first)
        self.batch_first, self.need_weights = batch_first, need_weights

    def pooled(self, ids: Tensor, real: Tensor) -> Tensor:
        embedded = self.embedding(ids if self.batch_first else ids.T)
        hidden, _ = self.attention(
            embedded, embedded, embedded, key_padding_mask=~real, need_weights=self.need_weights
        )
        hidden = hidden if self.batch_first else hidden.transpose(0, 1)
        weights = real.unsqueeze(-1) / real.sum(1)[:, None, None]
        pooled: Tensor = (hidden.tanh() * weights).sum(1)
        return pooled


class MeanToy(Toy):
    """No attention at all."""

    def pooled(self, ids: Tensor, real: Tensor) -> Tensor:
        total: Tensor = (self.embedding(ids) * real.unsqueeze(-1)).sum(1)
        return total


def audited_toy(toy: Toy, can_mask: bool = True) -> InterceptedModel:
    """A toy behind the contract."""
    classifier = IdsClassifier(toy.eval(), "toy")
    classifier.can_mask = can_mask
    return InterceptedModel(classifier, examples())
