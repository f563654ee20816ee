"""`scaled_dot_product_attention`, written out so that its weights can be seen and replaced."""

from typing import NamedTuple

import torch
from torch import Tensor

from attn_audit.errors import AuditFailedError


class WrittenOut(NamedTuple):
    """What the product hides: (batch, head, query, key) weights and scores, and the values."""

    weights: Tensor
    scores: Tensor
    """Masked: the least number of the type where a query may not attend."""
    values: Tensor
    """With a head for each head of the weights."""


def write_out(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> WrittenOut:
    """Compute `scaled_dot_product_attention` up to the product of weights and values.

    The arguments are those of `torch.nn.functional.scaled_dot_product_attention`.

    Raises:
        AuditFailedError: The model applies dropout although it is in eval mode.
    """
    if dropout_p:
        raise AuditFailedError(
            f"the model applies dropout ({dropout_p}) to its attention in eval mode",
            hint="Pass dropout_p=0.0 to scaled_dot_product_attention where self.training is false.",
        )
    if key.shape[-3:-2] != query.shape[-3:-2]:  # grouped queries share keys and values
        n_shared = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(n_shared, dim=-3) for x in (key, value))
    scores = (query @ key.transpose(-2, -1)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    # As the libraries' own masks: the least number, never -inf, so that no row becomes NaN.
    low = torch.finfo(scores.dtype).min
    if is_causal:
        past = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~past, low)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, low)
    elif attn_mask is not None:
        scores = scores + attn_mask.clamp_min(low)
    weights = scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))
    if attn_mask is not None:
        # As torch: a row that may attend to nothing attends to nothing, not to all alike.
        is_masked = ~attn_mask if attn_mask.dtype == torch.bool else attn_mask == -torch.inf
        weights = weights.masked_fill(is_masked.all(-1, keepdim=True), 0)
    return WrittenOut(weights.to(value.dtype), scores, value)
