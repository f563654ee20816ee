"""Masked tokens that need not be computed: the others keep their places, so that gaps are left."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.models.interception.classifier import (
    NOT_AUDITED,
    Classifier,
    InterceptedBatch,
    ModelInputs,
)
from attn_audit.models.interception.module_calls import UnexpectedCallError, UnknownLayoutError
from attn_audit.models.interception.readout_pass import are_equal
from attn_audit.models.interception.removal.base import Run, removed_positions
from attn_audit.models.interception.shared_start import Origin, Start

MIN_UNITS = 4
"""Of a text that can tell."""

N_FAILURES = 3
"""Trials that prove nothing, until no other text is tried."""


@dataclass(frozen=True)
class Exact:
    """With what a text with gaps is the text with those tokens masked."""

    first_place: int
    """The number of its first place."""
    shares_start: bool
    """Whether what lies before the first attention is, at each place, that of the whole text."""


Shared = tuple[Start, Int[Tensor, " row"]] | None
"""What whole texts are up to the first attention, and which of them each of some rows is."""

StartOf = Callable[[ModelInputs], Start]
"""What whole texts are up to the first attention; raises UnknownLayoutError where that cannot be
told."""


class Gaps:
    """Whether a text with gaps is the text with those tokens masked: found by trial.

    What looks so many tokens far, wherever they stand, shows in long texts alone. So what one text
    proves is proved for those that are no longer, and a longer one is tried by itself.
    """

    def __init__(self, classifier: Classifier, run: Run, start_of: StartOf | None = None) -> None:
        self._classifier, self._run, self._start_of = classifier, run, start_of
        self._candidates = tuple(
            Exact(first, shares_start)
            for first in classifier.first_places
            for shares_start in ((True, False) if start_of else (False,))
        )
        self._longest = 0
        self._failed: set[int] = set()

    def exact(self, batch: InterceptedBatch) -> Exact | None:
        """With what the texts may have gaps; None where they are to be masked."""
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

    def start_of(self, inputs: ModelInputs) -> Start:
        """What whole texts are up to the first attention; only where that is shared."""
        assert self._start_of is not None
        return self._start_of(inputs)

    def run(
        self, whole: ModelInputs, gone: Bool[Tensor, "row position"], exact: Exact, start: Shared
    ) -> Logits:
        """Logits of texts with gaps.

        Args:
            start: Of some texts, and which of them each of these is; None: nothing is shared.
        """
        inputs = self._classifier.leave_gaps(whole, gone, exact.first_place)
        if start is None:
            return self._run(inputs)
        kept = torch.nonzero(whole.real & ~gone)[:, 1]
        positions = torch.zeros_like(inputs.units).masked_scatter(inputs.real, kept)
        with Origin(*start, positions).shared():
            return self._run(inputs)

    @torch.no_grad()
    def _tried(self, batch: InterceptedBatch, row: int) -> Exact | None:
        """With what one text has the logits that masks give it."""
        kept = _variants(int(batch.unit_mask[row].sum()), int(batch.readout_units[row]))
        if len(kept) == 0:
            return None
        kept = kept.to(batch.unit_mask.device)
        text = batch.inputs.take(torch.tensor([row], device=kept.device)).trim()
        rows = torch.zeros(len(kept), dtype=torch.long, device=kept.device)
        inputs = text.take(rows)
        gone = removed_positions(inputs.units, kept)
        masked = self._run(self._classifier.mask(inputs, gone))
        for candidate in self._candidates:
            try:
                start = (self.start_of(text), rows) if candidate.shares_start else None
                found = self.run(inputs, gone, candidate, start)
            except (UnknownLayoutError, UnexpectedCallError):
                continue
            if are_equal(found, masked):
                return candidate
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
