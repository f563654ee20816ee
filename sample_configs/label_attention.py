"""A classifier in which each label attends to the tokens by itself, and its adapters.

The architecture is that of `torchTextClassifiers`: token embeddings, transformer blocks, label
attention (one query for each label, over the tokens), and one linear layer that gives each label's
state its logit. Train it on any JSON Lines with `text` and `label`, and audit it:

    python sample_configs/label_attention.py train train.jsonl model.pt
    attn-audit audit model.pt test.jsonl --adapter sample_configs/label_attention.py:load

`load` shows all labels' rows, which are audited as their mean; `load(checkpoint, label)` that
label's alone, which is what such a model shows as the reason for it.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_audit import CustomModel

PADDING, UNKNOWN = 0, 1


def norm(states: Tensor) -> Tensor:
    """Root mean square 1, without parameters."""
    return F.rms_norm(states, (states.shape[-1],), eps=1e-6)


class Attention(nn.Module):
    """Of queries to tokens, in several heads."""

    def __init__(self, size: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key, self.value, self.out = (
            nn.Linear(size, size, bias=False) for _ in range(4)
        )

    def forward(self, queries: Tensor, states: Tensor, is_real: Tensor) -> Tensor:
        """A state for each query; `is_real` is (text, token)."""
        heads = (self.query(queries), self.key(states), self.value(states))
        query, key, value = (x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for x in heads)
        gathered = F.scaled_dot_product_attention(
            norm(query), norm(key), value, attn_mask=is_real[:, None, None]
        )
        out: Tensor = self.out(gathered.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Self-attention and a feed-forward part, each added to what came in."""

    def __init__(self, size: int, n_heads: int) -> None:
        super().__init__()
        self.attention = Attention(size, n_heads)
        self.grow, self.shrink = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

    def forward(self, states: Tensor, is_real: Tensor) -> Tensor:
        """The tokens' states after it."""
        states = states + self.attention(norm(states), norm(states), is_real)
        out: Tensor = states + self.shrink(self.grow(norm(states)).relu().square())
        return out


class LabelAttentionClassifier(nn.Module):
    """One query for each label."""

    def __init__(
        self, n_words: int, n_labels: int, n_blocks: int = 1, size: int = 64, n_heads: int = 4
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_words, size, padding_idx=PADDING)
        self.blocks = nn.ModuleList(Block(size, n_heads) for _ in range(n_blocks))
        self.label_queries = nn.Parameter(torch.randn(n_labels, size))
        self.label_attention = Attention(size, n_heads)
        self.output = nn.Linear(size, 1)

    def states(self, ids: Tensor) -> Tensor:
        """What the labels attend to."""
        states = norm(self.embedding(ids))
        for block in self.blocks:
            states = block(states, ids != PADDING)
        return norm(states)

    def forward(self, ids: Tensor) -> Tensor:
        """One logit for each label; ids are (text, word), padded behind."""
        queries = norm(self.label_queries).expand(len(ids), -1, -1)
        attended = self.label_attention(queries, self.states(ids), ids != PADDING)
        logits: Tensor = self.output(norm(attended)).squeeze(-1)
        return logits


class RowOfOneLabel(nn.Module):
    """The same classifier, in which the row of one label is an attention of its own."""

    def __init__(self, classifier: LabelAttentionClassifier, label: int) -> None:
        super().__init__()
        self.classifier, self.label = classifier, label
        self.row = Attention(classifier.output.in_features, classifier.label_attention.n_heads)
        self.row.load_state_dict(classifier.label_attention.state_dict())

    def forward(self, ids: Tensor) -> Tensor:
        """The logits of the classifier, but for rounding."""
        query = norm(self.classifier.label_queries[self.label]).expand(len(ids), 1, -1)
        attended = self.row(query, self.classifier.states(ids), ids != PADDING)
        own = self.classifier.output(norm(attended)).squeeze(-1)
        logits: Tensor = self.classifier(ids)
        return torch.cat([logits[:, : self.label], own, logits[:, self.label + 1 :]], dim=1)


def words_of(text: str) -> list[str]:
    """Lower-cased words, split at white space."""
    return text.lower().split()


def pad(texts: list[list[str]], ids: dict[str, int]) -> Tensor:
    """Word ids, padded behind."""
    rows = [torch.tensor([ids.get(word, UNKNOWN) for word in words]) for words in texts]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)


def train(data: Path, checkpoint: Path, n_epochs: int = 2) -> None:
    """Train on JSON Lines with `text` and `label`, and write weights, words and labels."""
    torch.manual_seed(0)
    with data.open(encoding="utf-8") as lines:
        examples = [json.loads(line) for line in lines]
    texts = [words_of(example["text"]) for example in examples]
    labels = sorted({str(example["label"]) for example in examples})
    gold = torch.tensor([labels.index(str(example["label"])) for example in examples])
    counts = Counter(word for words in texts for word in words)
    ids = {word: i for i, (word, _) in enumerate(counts.most_common(20_000), start=UNKNOWN + 1)}
    module = LabelAttentionClassifier(UNKNOWN + 1 + len(ids), len(labels))
    optimiser = torch.optim.Adam(module.parameters(), lr=2e-3)
    for epoch in range(n_epochs):
        n_right = 0
        for batch in torch.randperm(len(texts)).split(32):
            logits = module(pad([texts[i] for i in batch], ids))
            loss = F.cross_entropy(logits, gold[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            n_right += int((logits.argmax(dim=1) == gold[batch]).sum())
        print(f"epoch {epoch + 1}: {n_right / len(texts):.1%} of the training texts right")
    torch.save({"weights": module.state_dict(), "ids": ids, "labels": labels}, checkpoint)


def load(checkpoint: str, label: str | None = None) -> CustomModel:
    """The adapter for all labels' rows; given a label, for its row alone."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    ids, labels = saved["ids"], saved["labels"]
    module = LabelAttentionClassifier(UNKNOWN + 1 + len(ids), len(labels))
    module.load_state_dict(saved["weights"])
    return CustomModel(
        module=module if label is None else RowOfOneLabel(module, labels.index(label)),
        encode=lambda texts: pad(texts, ids),
        labels=labels,
        task="multiclass",
        attention="label_attention" if label is None else "row",
        tokenize=words_of,
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["train", data, checkpoint]:
            train(Path(data), Path(checkpoint))
        case _:
            sys.exit("usage: python label_attention.py train DATA MODEL")
