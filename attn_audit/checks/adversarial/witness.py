"""What an adversary finds, as a record keeps it and as a model is given it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.checks.base import AuditedBatch
from attn_audit.findings.adversarial import MAX_ROW_WEIGHTS


@dataclass(frozen=True)
class Witness:
    """Adversarial weights and their divergence from the model's own."""

    attention: Float64[Tensor, "batch row unit"]
    """Weights whose output is within epsilon; rows sum to 1, padding is 0."""
    jsd: Float64[Tensor, " batch"]
    """Divergence of the explanation from the model's own, nats, 0 to ln 2."""

    def where(self, keep: Tensor, other: "Witness") -> "Witness":
        """This witness where `keep` is True, the other elsewhere."""
        return Witness(
            attention=torch.where(keep[:, None, None], self.attention, other.attention),
            jsd=torch.where(keep, self.jsd, other.jsd),
        )

    def at_least(self, other: "Witness") -> "Witness":
        """The witness of the larger divergence; ties stay with this one."""
        return self.where(self.jsd >= other.jsd, other)


RowWeights = Sequence[Sequence[float]] | None
"""Weights of each row of one example, without padding; None where it has one row, or too many
weights to keep."""


def row_by_row(audited: AuditedBatch, witness: Witness) -> list[RowWeights]:
    """The weights of each row that there is, where an example has several, but not too many."""
    if audited.attention.shape[1] == 1:
        return [None] * len(audited.batch)
    # Replay computes in the model's own precision: float32 keeps all that it uses.
    weights = witness.attention.float().cpu().numpy()
    has_row = audited.reading.row_mask.cpu().numpy()
    rows = [w[mask, :n] for w, mask, n in zip(weights, has_row, audited.lengths, strict=True)]
    return [row.tolist() if len(row) > 1 and row.size <= MAX_ROW_WEIGHTS else None for row in rows]


def restored(
    audited: AuditedBatch, shown: Sequence[Sequence[float]], rows: Sequence[RowWeights]
) -> Float64[Tensor, "batch row unit"]:
    """The weights to replay; all NaN for an example whose rows or units are not those of the batch.

    Args:
        shown: What people would be shown of each witness; with one row its weights.
    """
    has_row = audited.reading.row_mask.cpu().numpy()
    weights = np.zeros(tuple(audited.attention.shape))
    for i, (mask, n) in enumerate(zip(has_row, audited.lengths.tolist(), strict=True)):
        table = rows[i] or [shown[i]]
        if len(table) == mask.sum() and all(len(row) == n for row in table):
            weights[i, np.flatnonzero(mask), :n] = np.array(table, dtype=np.float64)
        else:
            weights[i] = np.nan
    return torch.from_numpy(weights).to(audited.attention.device)
