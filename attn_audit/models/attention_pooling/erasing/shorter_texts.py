"""Texts with any units deleted, each run by itself, packed by length into full batches."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.models.attention_pooling.batch import TokenBatch
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork
from attn_audit.models.attention_pooling.tokenizer import END, PADDING, START
from attn_audit.models.packing import full_batches, in_order

MAX_ERASED_TOKENS = 8192
"""Positions in one packed batch of erased variants: large enough to fill the cores, small enough
for the states to stay in cache."""


def logits_of_shorter_texts(
    network: AttentionPoolingNetwork, batch: TokenBatch, keep: Bool[Tensor, "batch variant unit"]
) -> Float[Tensor, "batch variant label"]:
    """Delete units and run the shorter texts; one that keeps everything runs once an example.

    Args:
        network: The model.
        batch: Whole texts.
        keep: What variant leaves what.
    """
    kept = keep & batch.unit_mask.unsqueeze(1)
    whole = kept.sum(-1) == batch.unit_mask.sum(-1, keepdim=True)
    first_whole = whole & (whole.cumsum(-1) == 1)
    example, variant = torch.nonzero(~whole | first_whole, as_tuple=True)
    logits = _logits_of(network, batch, kept, example, variant)
    out = logits.new_empty(*keep.shape[:2], logits.shape[-1])
    out[example, variant] = logits
    if bool(whole.any()):
        of_whole = out[torch.arange(len(batch)), first_whole.int().argmax(-1)]
        out = torch.where(whole.unsqueeze(-1), of_whole.unsqueeze(1), out)
    return out


def _logits_of(
    network: AttentionPoolingNetwork,
    batch: TokenBatch,
    kept: Tensor,
    example: Tensor,
    variant: Tensor,
) -> Tensor:
    """Logits of the listed (example, variant) pairs, in their order."""
    lengths = kept[example, variant].sum(-1) + 2
    batches = list(full_batches(lengths, MAX_ERASED_TOKENS))
    parts = [
        _run(network, batch, kept, example[rows], variant[rows], lengths[rows]) for rows in batches
    ]
    return in_order(parts, batches)


def _run(
    network: AttentionPoolingNetwork,
    batch: TokenBatch,
    kept: Tensor,
    example: Tensor,
    variant: Tensor,
    lengths: Int[Tensor, " row"],
) -> Tensor:
    keep = kept[example, variant]  # row unit
    n_positions = int(lengths[-1])
    token_ids = batch.token_ids.new_full((len(example), n_positions), PADDING)
    token_ids[:, 0] = START
    token_ids[torch.arange(len(example), device=token_ids.device), lengths - 1] = END
    row, unit = torch.nonzero(keep, as_tuple=True)
    position = keep.cumsum(-1)[row, unit]  # the start marker is position 0
    token_ids[row, position] = batch.token_ids[:, 1:-1][example[row], unit]
    question = None if batch.question is None else batch.question[example]
    logits: Tensor = network(network.embed(token_ids), lengths, question)
    return logits
