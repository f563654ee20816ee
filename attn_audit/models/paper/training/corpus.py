"""Examples as tensors: every text is split and looked up once, batches are cut out by index."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.errors import RowError
from attn_audit.models.paper.architecture import PADDING, Tokenizer, Vocabulary
from attn_audit.models.paper.network import AttentionPoolingNetwork, Lengths, TokenIds
from attn_audit.models.paper.training.task_inference import gold_labels, place
from attn_audit.models.task import Task, mask_candidates
from attn_audit.shapes import Logits

Tokens = tuple[str, ...]
Rows = Int[Tensor, " batch"]
"""Which examples of a corpus are meant."""


@dataclass(frozen=True, slots=True)
class TokenTexts:
    """Texts as token ids, one after the other; nothing is padded before a batch is asked for."""

    ids: Int[Tensor, " token"]
    starts: Int[Tensor, " text"]
    lengths: Int[Tensor, " text"]

    def padded(self, rows: Rows) -> tuple[TokenIds, Lengths]:
        """The texts in `rows`, padded to the longest, and their lengths with both markers."""
        lengths = self.lengths[rows]
        positions = torch.arange(int(lengths.max()), device=lengths.device)
        places = self.starts[rows].unsqueeze(1) + positions  # batch position
        ids = self.ids[places.clamp(max=len(self.ids) - 1)]
        return ids.masked_fill(positions >= lengths.unsqueeze(1), PADDING), lengths


@dataclass(frozen=True, slots=True)
class Corpus:
    """Labelled examples, ready to be cut into batches on one device."""

    texts: TokenTexts
    pairs: TokenTexts | None
    gold: Bool[Tensor, "example label"]
    """Which labels each example has."""
    allowed: Bool[Tensor, "example label"] | None
    """Which labels it may be given; None where nothing is restricted."""

    def __len__(self) -> int:
        return len(self.gold)

    def logits(self, network: AttentionPoolingNetwork, rows: Rows) -> Logits:
        """What a network makes of the examples in `rows`."""
        second = () if self.pairs is None else self.pairs.padded(rows)
        logits: Tensor = network(*self.texts.padded(rows), *second)
        return mask_candidates(logits, None if self.allowed is None else self.allowed[rows])


def tokenize(tokenizer: Tokenizer, text: str) -> Tokens:
    """The tokens of a text, as the vocabulary knows them."""
    return tuple(tokenizer.token(unit) for unit in tokenizer.units(text))


def build_corpus(
    examples: Sequence[Example],
    texts: Sequence[Tokens],
    pairs: Sequence[Tokens] | None,
    vocabulary: Vocabulary,
    task: Task,
    device: torch.device,
) -> Corpus:
    """Look everything up.

    Args:
        examples: With labels that the task has.
        texts: Their texts as tokens.
        pairs: Their second texts as tokens; None for single texts.
        vocabulary: From token to id.
        task: The labels and their order.
        device: Where the tensors go.

    Raises:
        RowError: A text has no token.
    """
    empty = next((e for e, text in zip(examples, texts, strict=True) if not text), None)
    if empty is not None:
        raise RowError(place(empty), "the text has no token")
    restricted = task.is_softmax and any(example.candidates for example in examples)
    return Corpus(
        _token_texts(texts, vocabulary, device),
        None if pairs is None else _token_texts(pairs, vocabulary, device),
        _marked([gold_labels(example) for example in examples], task, device),
        _marked([e.candidates or task.labels for e in examples], task, device)
        if restricted
        else None,
    )


def _token_texts(
    texts: Sequence[Tokens], vocabulary: Vocabulary, device: torch.device
) -> TokenTexts:
    rows = [vocabulary.ids(text) for text in texts]
    lengths = torch.tensor([len(row) for row in rows])
    return TokenTexts(
        torch.tensor([i for row in rows for i in row], device=device),
        (lengths.cumsum(0) - lengths).to(device),
        lengths.to(device),
    )


def _marked(
    names: Sequence[tuple[str, ...]], task: Task, device: torch.device
) -> Bool[Tensor, "example label"]:
    index = {label: i for i, label in enumerate(task.labels)}
    places = [(row, index[label]) for row, labels in enumerate(names) for label in labels]
    marked = torch.zeros(len(names), len(task.labels), dtype=torch.bool)
    rows, columns = torch.tensor(places).T if places else torch.empty(2, 0, dtype=torch.long)
    marked[rows, columns] = True
    return marked.to(device)
