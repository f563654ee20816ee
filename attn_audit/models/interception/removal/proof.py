"""What one text proves is proved for those that are no longer: a longer one is tried by itself.

What looks so many tokens far, wherever they stand, shows in long texts alone.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from jaxtyping import Bool

from attn_audit.models.interception.classifier import NOT_AUDITED, InterceptedBatch
from attn_audit.models.interception.removal.base import Variants

MIN_UNITS = 4
"""Of a text that can tell."""

N_FAILURES = 3
"""Trials that prove nothing, until no other text is tried."""

Candidate = TypeVar("Candidate")

Holds = Callable[[InterceptedBatch, Variants, Candidate], bool]
"""Whether some variants of one text have the logits that they are to have."""


class Proof(Generic[Candidate]):
    """The first of some ways to compute a text without units that is exact, as trials show."""

    def __init__(self, candidates: Sequence[Candidate], holds: Holds[Candidate]) -> None:
        self._candidates, self._holds = tuple(candidates), holds
        self._longest = 0
        self._failed: set[int] = set()

    @torch.no_grad()
    def found(self, batch: InterceptedBatch) -> Candidate | None:
        """A way that is exact for all texts of a batch; None where none is known to be."""
        lengths = batch.inputs.real.sum(dim=1)
        longest, row = int(lengths.max()), int(lengths.argmax())
        if longest > self._longest:
            if longest in self._failed or len(self._failed) == N_FAILURES or not self._candidates:
                return None
            exact = self._tried(batch, row)
            if exact is None:
                self._failed.add(longest)
                return None
            self._candidates, self._longest = (exact,), longest
        return self._candidates[0]

    def _tried(self, batch: InterceptedBatch, row: int) -> Candidate | None:
        keep = _telling(batch.unit_mask[row], int(batch.readout_units[row]))
        if len(keep) == 0:
            return None
        numbers = torch.arange(len(keep), device=keep.device)
        variants = Variants(torch.full_like(numbers, row), numbers, keep)
        return next((c for c in self._candidates if self._holds(batch, variants, c)), None)


def _telling(
    unit_mask: Bool[torch.Tensor, " unit"], readout: int
) -> Bool[torch.Tensor, "variant unit"]:
    """Without the first, a middle and the last unit, and without every other; in two lengths.

    Args:
        readout: The unit that is always kept, or NOT_AUDITED.
    """
    n_units = int(unit_mask.sum())
    if n_units < MIN_UNITS:
        return unit_mask.new_ones(0, len(unit_mask))
    units = torch.arange(len(unit_mask), device=unit_mask.device)
    gone = [units == unit for unit in (0, n_units // 2, n_units - 1)]
    gone += [units % 2 == 0, units % 2 == 1]
    kept = ~torch.stack(gone) & unit_mask
    if readout != NOT_AUDITED:
        kept[:, readout] = True
    return kept[(kept != unit_mask).any(dim=1)]
