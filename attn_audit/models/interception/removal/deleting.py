"""Units deleted: a shorter text."""

from jaxtyping import Bool, Int
from torch import Tensor

from attn_audit.models.interception.classifier import InterceptedBatch, ModelInputs
from attn_audit.models.interception.removal.base import (
    UnitRemoval,
    Variants,
    has_others,
    removed_positions,
)


class Deletion(UnitRemoval):
    """Close the gaps."""

    @property
    def words(self) -> str:
        """Always the same."""
        return "deleted"

    def can_leave_out_all(self, batch: InterceptedBatch) -> Bool[Tensor, " batch"]:
        """Those that stand among something, where nothing is encoded anew, too."""
        if not self.classifier.can_read_markers:
            return super().can_leave_out_all(batch)
        return has_others(self.classifier, batch) | super().can_leave_out_all(batch)

    def n_positions(self, batch: InterceptedBatch, variants: Variants) -> Int[Tensor, " row"]:
        """Of the shorter texts."""
        gone = removed_positions(batch.inputs.units[variants.example], variants.keep)
        return super().n_positions(batch, variants) - gone.sum(dim=1)

    def inputs(self, batch: InterceptedBatch, variants: Variants) -> ModelInputs:
        """Shorter texts."""
        encoded = [batch.encoded[i] for i in variants.example.tolist()]
        return self.classifier.delete(encoded, variants.keep)
