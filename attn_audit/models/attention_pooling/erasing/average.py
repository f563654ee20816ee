"""Every unit left out in turn, for the average encoder: no state depends on another token."""

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.models.attention_pooling.encoders import AverageEncoder
from attn_audit.models.attention_pooling.erasing.pooling import (
    Pooled,
    around_each_gap,
    union,
    union_of_all,
)
from attn_audit.models.attention_pooling.erasing.scoring import scorer_of
from attn_audit.models.attention_pooling.erasing.texts import Texts
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork


def average_without_each_unit(
    network: AttentionPoolingNetwork, texts: Texts
) -> Float64[Tensor, "variant batch value"]:
    """Pooled unit values of the whole texts (variant 0) and without each unit.

    Args:
        network: With an average encoder.
        texts: Whole.
    """
    encoder = network.text_encoder.encoder
    assert isinstance(encoder, AverageEncoder)
    scorer = scorer_of(network, texts.question)
    embeddings = network.embed(texts.token_ids[:, 1:-1].T)  # from here texts lie side by side
    states = encoder.activate(encoder.projection(embeddings))
    projected = scorer.project(states, slice(None)).add_(scorer.offset)
    units = Pooled.of_units(*scorer.finish(projected), texts.unit_mask.T)
    without = union(*around_each_gap(units, half=0))
    return torch.cat([union_of_all(units).unsqueeze(0), without.mean])
