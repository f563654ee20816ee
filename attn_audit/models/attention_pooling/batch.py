"""Examples as token ids, alone and in padded batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attn_audit.models.attention_pooling.attention import Question
from attn_audit.models.attention_pooling.tokenizer import PADDING
from attn_audit.models.base import Batch, Encoded


@dataclass(frozen=True, slots=True)
class TokenEncoded(Encoded):
    """An example as token ids, markers included."""

    token_ids: tuple[int, ...]
    pair_token_ids: tuple[int, ...] | None


@dataclass(frozen=True)
class TokenBatch(Batch):
    """Padded token ids, and what every pass over the batch needs of the second text."""

    token_ids: Int[Tensor, "batch position"]
    lengths: Int[Tensor, " batch"]
    allowed: Bool[Tensor, "batch label"] | None
    question: Question | None


def pad(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids behind each other's ends, and the length of each row."""
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.full((len(rows), int(lengths.max())), PADDING)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = torch.tensor(row)
    return padded.to(device), lengths.to(device)
