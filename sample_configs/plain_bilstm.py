"""A PyTorch classifier of one's own, and the twenty lines that let attn-audit audit it.

Train it on any JSON Lines with `text` and `label`, half a minute for 7,000 sentences, and audit it:

    python sample_configs/plain_bilstm.py train train.jsonl model.pt
    attn-audit audit model.pt test.jsonl --adapter sample_configs/plain_bilstm.py:load

All but `load`, at the end, is plain PyTorch. That the readout is linear in the attention weights,
so that the exact adversary applies, and that the encoder need not run again for other attention,
is found by trial.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attn_audit import CustomModel

PADDING, UNKNOWN = 0, 1


class BiLSTMClassifier(nn.Module):
    """Embeddings, a bidirectional LSTM, additive attention, a linear output."""

    def __init__(self, n_words: int, n_labels: int, size: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_words, size, padding_idx=PADDING)
        self.lstm = nn.LSTM(size, size, batch_first=True, bidirectional=True)
        self.hidden = nn.Linear(2 * size, size)
        self.score = nn.Linear(size, 1, bias=False)
        self.output = nn.Linear(2 * size, n_labels)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """One logit for each label; ids are (text, word), padded behind."""
        packed = pack_padded_sequence(
            self.embedding(ids), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        scores = self.score(self.hidden(states).tanh()).squeeze(-1)
        weights = scores.masked_fill(ids == PADDING, -1e9).softmax(dim=-1)
        logits: Tensor = self.output((weights.unsqueeze(-1) * states).sum(dim=1))
        return logits


def words_of(text: str) -> list[str]:
    """Lower-cased words, split at white space."""
    return text.lower().split()


def pad(texts: list[list[str]], ids: dict[str, int]) -> tuple[Tensor, Tensor]:
    """Word ids, padded, and how many words each text has."""
    rows = [torch.tensor([ids.get(word, UNKNOWN) for word in words]) for words in texts]
    lengths = torch.tensor([len(row) for row in rows])
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING), lengths


def train(data: Path, checkpoint: Path, n_epochs: int = 3) -> None:
    """Train on JSON Lines with `text` and `label`, and write weights, words and labels."""
    torch.manual_seed(0)
    with data.open(encoding="utf-8") as lines:
        examples = [json.loads(line) for line in lines]
    texts = [words_of(example["text"]) for example in examples]
    labels = sorted({str(example["label"]) for example in examples})
    gold = torch.tensor([labels.index(str(example["label"])) for example in examples])
    counts = Counter(word for words in texts for word in words)
    ids = {word: i for i, (word, _) in enumerate(counts.most_common(20_000), start=UNKNOWN + 1)}
    module = BiLSTMClassifier(UNKNOWN + 1 + len(ids), len(labels))
    optimiser = torch.optim.Adam(module.parameters(), lr=2e-3)
    for epoch in range(n_epochs):
        n_right = 0
        for batch in torch.randperm(len(texts)).split(32):
            logits = module(*pad([texts[i] for i in batch], ids))
            loss = F.cross_entropy(logits, gold[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            n_right += int((logits.argmax(dim=1) == gold[batch]).sum())
        print(f"epoch {epoch + 1}: {n_right / len(texts):.1%} of the training texts right")
    torch.save({"weights": module.state_dict(), "ids": ids, "labels": labels}, checkpoint)


def load(checkpoint: str) -> CustomModel:
    """The adapter: a checkpoint as attn-audit takes it."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    ids, labels = saved["ids"], saved["labels"]
    module = BiLSTMClassifier(UNKNOWN + 1 + len(ids), len(labels))
    module.load_state_dict(saved["weights"])
    return CustomModel(
        module=module,
        encode=lambda texts: pad(texts, ids),
        labels=labels,
        task="binary" if len(labels) == 2 else "multiclass",
        tokenize=words_of,
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["train", data, checkpoint]:
            train(Path(data), Path(checkpoint))
        case _:
            sys.exit("usage: python plain_bilstm.py train DATA MODEL")
