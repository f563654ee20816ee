"""Which way to the logits of erased texts: every single unit at once, or each text by itself."""

import torch
from jaxtyping import Bool, Float, Int
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
    left_out = _left_out(batch.unit_mask, keep)
    if left_out is None:
        logits = logits_of_shorter_texts(network, batch, keep)
    else:
        logits = logits_without_each_unit(network, batch)
        logits = logits.take_along_dim(left_out.unsqueeze(-1), dim=1)
    return mask_candidates(logits, batch.allowed)


def _left_out(
    unit_mask: UnitMask, keep: Bool[Tensor, "batch variant unit"]
) -> Int[Tensor, "batch variant"] | None:
    """The one unit that each variant leaves out, from 1; 0 for none. None if one leaves out more.

    None also if there are few variants: computing all that leave out a unit would be a waste.
    """
    if keep.shape[1] < unit_mask.shape[1]:
        return None
    absent = keep.logical_not().logical_and_(unit_mask.unsqueeze(1))
    first = absent.view(torch.uint8).argmax(dim=-1, keepdim=True)  # booleans have no argmax
    is_any = absent.gather(2, first)
    if bool(absent.scatter_(2, first, False).any()):
        return None
    return torch.where(is_any, first + 1, 0).squeeze(-1)
