"""The model's output under adversarial weights."""

from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.checks.base import AuditedBatch


def replayed_probabilities(
    audited: AuditedBatch, weights: Float[Tensor, "batch variant unit"]
) -> Float64[Tensor, "batch variant label"]:
    """Output probabilities with the same weights in every row.

    Args:
        audited: A batch.
        weights: Each variant sums to 1; differentiable through.
    """
    n_rows = audited.attention.shape[1]
    rows = weights.to(audited.reading.attention.dtype).unsqueeze(2).expand(-1, -1, n_rows, -1)
    return audited.model.task.probabilities(audited.reading.replay(rows))


def output_distances(
    audited: AuditedBatch, weights: Float[Tensor, "batch variant unit"]
) -> Float64[Tensor, "batch variant"]:
    """How far the output moves from the model's own, 0 to 1.

    Args:
        audited: A batch.
        weights: Each variant sums to 1; differentiable through.
    """
    probabilities = replayed_probabilities(audited, weights)
    return audited.model.task.distance(probabilities, audited.probabilities.unsqueeze(1))
