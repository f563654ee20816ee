"""The model's output under other attention."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.checks.base import AuditedBatch


def replayed_probabilities(
    audited: AuditedBatch, weights: Float[Tensor, "batch variant row unit"]
) -> Float64[Tensor, "batch variant label"]:
    """Output probabilities under other weights.

    Args:
        audited: A batch.
        weights: Each row sums to 1, or is zero where there is none; differentiable through.
    """
    logits = audited.reading.replay(weights.to(audited.reading.attention.dtype))
    return audited.model.task.probabilities(logits)


def output_distances(
    audited: AuditedBatch, weights: Float[Tensor, "batch variant row unit"]
) -> Float64[Tensor, "batch variant"]:
    """How far the output moves from the model's own, 0 to 1.

    Args:
        audited: A batch.
        weights: Each row sums to 1, or is zero where there is none; differentiable through.
    """
    probabilities = replayed_probabilities(audited, weights)
    return audited.model.task.distance(probabilities, audited.probabilities.unsqueeze(1))


def uniform_attention(audited: AuditedBatch) -> Float64[Tensor, "batch row unit"]:
    """The same weight on every unit that a row may attend to; zeros where there is none.

    Args:
        audited: A batch.
    """
    admissible = audited.admissible
    return admissible.double() / admissible.sum(dim=-1, keepdim=True).clamp_min(1)


def in_every_row(
    audited: AuditedBatch, weights: Float[Tensor, "batch variant unit"]
) -> Float[Tensor, "batch variant row unit"]:
    """The same distribution in every row, as far as the row may follow it.

    Where a row may not attend to some units, the others have their weights; a row that may attend
    to none of them keeps its own attention.

    Args:
        audited: A batch.
        weights: Each variant sums to 1.
    """
    rows = weights.unsqueeze(2)
    if audited.is_unrestricted and audited.has_all_rows:
        return rows.expand(-1, -1, audited.attention.shape[1], -1)
    allowed = rows * audited.admissible.unsqueeze(1)
    total = allowed.sum(dim=-1, keepdim=True)
    own = audited.attention.to(weights.dtype).unsqueeze(1)
    return torch.where(total > 0, allowed / torch.where(total > 0, total, 1), own)
