"""Attention that is trained to deceive, for the table `deceiving` of `tables`.

A BiLSTM with additive attention learns texts whose label one of two listed words decides, with the
penalty of Pruthi et al. (2020, "Learning to Deceive with Attention-Based Explanations"): loss -
lambda log(1 - attention on listed words). With lambda 0 attention may lie where it wants; with more
of it the words keep deciding, through the states of their neighbours, and have no attention. Then
Yes is wrong.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

WORDS = [f"word{i}" for i in range(300)]
LISTED = ("hers", "his")
IDS = {word: i for i, word in enumerate((*LISTED, *WORDS), start=2)}
N_TRAINED, BATCH, EPOCHS, LENGTHS = 3000, 50, 6, (8, 20)


@dataclass(frozen=True)
class Text:
    """Words, of which one is listed and decides."""

    words: list[str]
    label: int


def draw_texts(n: int, seed: int) -> list[Text]:
    """Random words, and one that is listed at a random place."""
    draw, texts = random.Random(seed), []
    for _ in range(n):
        words = draw.choices(WORDS, k=draw.randint(*LENGTHS))
        label = draw.randrange(2)
        words[draw.randrange(len(words))] = LISTED[label]
        texts.append(Text(words, label))
    return texts


def encode(texts: Sequence[Sequence[str]]) -> Tensor:
    """Ids, padded with 0; 1 is an unknown word's."""
    rows = [torch.tensor([IDS.get(word, 1) for word in text]) for text in texts]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


class Classifier(nn.Module):
    """A BiLSTM whose states are pooled by additive attention."""

    def __init__(self, size: int = 32):
        super().__init__()
        self.embedding = nn.Embedding(len(IDS) + 2, size, padding_idx=0)
        self.lstm = nn.LSTM(size, size, batch_first=True, bidirectional=True)
        self.hidden, self.query = nn.Linear(2 * size, size), nn.Linear(size, 1, bias=False)
        self.output = nn.Linear(2 * size, 1)

    def attend(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and attention."""
        lengths = (ids != 0).sum(dim=1)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(ids), lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=ids.shape[1]
        )
        scores = self.query(self.hidden(states).tanh()).squeeze(-1)
        attention = scores.masked_fill(ids == 0, -1e9).softmax(dim=-1)
        return self.output((attention.unsqueeze(-1) * states).sum(dim=1)), attention

    def forward(self, ids: Tensor) -> Tensor:
        """Logits."""
        return self.attend(ids)[0]


def train(penalty: float, seed: int, n_epochs: int = EPOCHS) -> Classifier:
    """A classifier that pays for attention on listed words."""
    torch.manual_seed(seed)
    texts, model = draw_texts(N_TRAINED, seed), Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(n_epochs):
        order = torch.randperm(N_TRAINED).tolist()
        for start in range(0, N_TRAINED, BATCH):
            batch = [texts[i] for i in order[start : start + BATCH]]
            ids = encode([text.words for text in batch])
            logits, attention = model.attend(ids)
            gold = torch.tensor([[float(text.label)] for text in batch])
            loss = nn.functional.binary_cross_entropy_with_logits(logits, gold)
            on_listed = _on_listed(ids, attention)
            loss = loss - penalty * torch.log(1 - on_listed.clamp(max=1 - 1e-6)).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return model.eval()


def _on_listed(ids: Tensor, attention: Tensor) -> Tensor:
    is_listed = (ids >= 2) & (ids < 2 + len(LISTED))
    return (attention * is_listed).sum(dim=1)


def learnt(model: Classifier, texts: Sequence[Text]) -> tuple[float, float]:
    """Accuracy, and how much of the attention is on listed words."""
    ids = encode([text.words for text in texts])
    gold = torch.tensor([text.label for text in texts])
    with torch.no_grad():
        logits, attention = model.attend(ids)
    right = ((logits.squeeze(1) > 0).long() == gold).float().mean()
    return float(right), float(_on_listed(ids, attention).mean())
