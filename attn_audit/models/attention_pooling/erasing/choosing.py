"""Which way to the logits of erased texts: every single unit at once, or each text by itself."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_audit.models.attention_pooling.batch import TokenBatch
from attn_audit.models.attention_pooling.erasing.shorter_texts import logits_of_shorter_texts
from attn_audit.models.attention_pooling.erasing.single_units import logits_without_each_unit
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork
from attn_audit.models.task import mask_candidates
from attn_audit.shapes import UnitMask


@torch.no_grad()
def erased_logits(
    network: AttentionPoolingNetwork, batch: TokenBatch, keep: Bool[Tensor, "batch variant unit"]
) -> Float[Tensor, "batch variant label"]:
    """Logits with only the units marked in `keep`.

    Args:
        network: The model.
        batch: Whole texts.
        keep: What variant leaves what.

    Returns:
        Every variant's; -inf for answers that an example does not allow.
    """
    if _is_each_in_turn(batch.unit_mask, keep):
        logits = logits_without_each_unit(network, batch)
    else:
        logits = logits_of_shorter_texts(network, batch, keep)
    return mask_candidates(logits, batch.allowed)


def _is_each_in_turn(unit_mask: UnitMask, keep: Bool[Tensor, "batch variant unit"]) -> bool:
    """Whether the variants are the whole text, and then without its first, second, ... unit."""
    n_units = unit_mask.shape[1]
    if keep.shape[1] != n_units + 1:
        return False
    each = torch.ones_like(keep[0])
    each[1:].fill_diagonal_(False)
    differs = (keep != each).logical_and_(unit_mask.unsqueeze(1))
    return not bool(differs.any())
