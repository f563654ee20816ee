"""Some texts of a batch, padded to the longest of them."""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from attn_audit.models.attention_pooling.attention import Question
from attn_audit.models.attention_pooling.batch import TokenBatch
from attn_audit.shapes import UnitMask


@dataclass(frozen=True, slots=True)
class Texts:
    """As much of a `TokenBatch` as the network needs."""

    token_ids: Int[Tensor, "batch position"]
    lengths: Int[Tensor, " batch"]
    unit_mask: UnitMask
    question: Question | None

    @classmethod
    def of(cls, batch: TokenBatch, rows: Int[Tensor, " row"]) -> "Texts":
        """Those of some examples.

        Args:
            batch: All examples.
            rows: Which of them.
        """
        lengths = batch.lengths[rows]
        n_positions = int(lengths.max())
        return cls(
            token_ids=batch.token_ids[rows, :n_positions],
            lengths=lengths,
            unit_mask=batch.unit_mask[rows, : n_positions - 2],
            question=None if batch.question is None else batch.question[rows],
        )
