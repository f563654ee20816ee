"""Masked tokens that need not be computed: the others keep their places, so that gaps are left."""

import torch
from jaxtyping import Bool
from torch import Tensor

from attn_audit.models.interception.classifier import NOT_AUDITED, Classifier, InterceptedBatch
from attn_audit.models.interception.readout_pass import are_equal
from attn_audit.models.interception.removal.base import Run, removed_positions

MIN_UNITS = 4
"""Of a text that can tell."""

N_FAILURES = 3
"""Trials that prove nothing, until no other text is tried."""


class Gaps:
    """Whether a text with gaps is the text with those tokens masked: found by trial.

    What looks so many tokens far, wherever they stand, shows in long texts alone. So what one text
    proves is proved for those that are no longer, and a longer one is tried by itself.
    """

    def __init__(self, classifier: Classifier, run: Run) -> None:
        self._classifier, self._run = classifier, run
        self._candidates = classifier.first_places
        self._longest = 0
        self._failed: set[int] = set()

    def first_place(self, batch: InterceptedBatch) -> int | None:
        """The number of a text's first place; None where the texts are to be masked."""
        lengths = batch.inputs.real.sum(dim=1)
        longest, row = int(lengths.max()), int(lengths.argmax())
        if longest > self._longest:
            if longest in self._failed or len(self._failed) == N_FAILURES or not self._candidates:
                return None
            exact = self._exact(batch, row)
            if exact is None:
                self._failed.add(longest)
                return None
            self._candidates, self._longest = (exact,), longest
        return self._candidates[0]

    @torch.no_grad()
    def _exact(self, batch: InterceptedBatch, row: int) -> int | None:
        """The number with which one text has the logits that masks give it."""
        kept = _variants(int(batch.unit_mask[row].sum()), int(batch.readout_units[row]))
        if len(kept) == 0:
            return None
        kept = kept.to(batch.unit_mask.device)
        rows = torch.full((len(kept),), row, device=kept.device)
        inputs = batch.inputs.take(rows).trim()
        gone = removed_positions(inputs.units, kept)
        masked = self._run(self._classifier.mask(inputs, gone))
        for first in self._candidates:
            with_gaps = self._classifier.leave_gaps(inputs, gone, first)
            if are_equal(self._run(with_gaps), masked):
                return first
        return None


def _variants(n_units: int, readout: int) -> Bool[Tensor, "variant unit"]:
    """Without the first, a middle and the last unit, and without every other; in two lengths.

    Args:
        readout: The unit that is always kept, or NOT_AUDITED.
    """
    if n_units < MIN_UNITS:
        return torch.ones(0, n_units, dtype=torch.bool)
    units = torch.arange(n_units)
    gone = [units == unit for unit in (0, n_units // 2, n_units - 1)]
    gone += [units % 2 == 0, units % 2 == 1]
    kept = ~torch.stack(gone)
    if readout != NOT_AUDITED:
        kept[:, readout] = True
    return kept[~kept.all(dim=1)]
