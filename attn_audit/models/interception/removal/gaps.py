"""Masked tokens that need not be computed: the others keep their places, so that gaps are left."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.models.interception.classifier import Classifier, InterceptedBatch, ModelInputs
from attn_audit.models.interception.module_calls import UnexpectedCallError, UnknownLayoutError
from attn_audit.models.interception.readout_pass import are_equal
from attn_audit.models.interception.removal.base import Run, Variants, removed_positions
from attn_audit.models.interception.removal.proof import Proof
from attn_audit.models.interception.shared_start import Origin, Start

StartOf = Callable[[ModelInputs], Start]
"""What whole texts are up to the first attention; raises UnknownLayoutError where that cannot be
told."""

Shared = tuple[Start, Int[Tensor, " row"]] | None
"""What whole texts are up to the first attention, and which of them each of some rows is."""


@dataclass(frozen=True)
class Exact:
    """With what a text with gaps is the text with those tokens masked."""

    first_place: int
    """The number of its first place."""
    shares_start: bool
    """Whether what lies before the first attention is, at each place, that of the whole text."""


class Gaps:
    """Whether a text with gaps is the text with those tokens masked: found by trial."""

    def __init__(self, classifier: Classifier, run: Run, start_of: StartOf | None = None) -> None:
        self._classifier, self._run, self._start_of = classifier, run, start_of
        candidates = [
            Exact(first, shares_start)
            for first in classifier.first_places
            for shares_start in ((True, False) if start_of else (False,))
        ]
        self._proof = Proof(candidates, self._holds)

    def exact(self, batch: InterceptedBatch) -> Exact | None:
        """With what the texts may have gaps; None where they are to be masked."""
        return self._proof.found(batch)

    def start_of(self, inputs: ModelInputs) -> Start:
        """What whole texts are up to the first attention; only where that is shared."""
        assert self._start_of is not None
        return self._start_of(inputs)

    def logits(
        self, whole: ModelInputs, gone: Bool[Tensor, "row position"], exact: Exact, start: Shared
    ) -> Logits:
        """Of texts with gaps.

        Args:
            start: None: each is computed from its own tokens on.
        """
        inputs = self._classifier.leave_gaps(whole, gone, exact.first_place)
        if start is None:
            return self._run(inputs)
        kept = torch.nonzero(whole.real & ~gone)[:, 1]
        positions = torch.zeros_like(inputs.units).masked_scatter(inputs.real, kept)
        with Origin(*start, positions).shared():
            return self._run(inputs)

    def _holds(self, batch: InterceptedBatch, variants: Variants, exact: Exact) -> bool:
        whole = batch.inputs.take(variants.example).trim()
        gone = removed_positions(whole.units, variants.keep)
        masked = self._run(self._classifier.mask(whole, gone))
        try:
            start = None
            if exact.shares_start:
                text = whole.take(torch.zeros_like(variants.example[:1]))
                start = self.start_of(text), torch.zeros_like(variants.example)
            return are_equal(self.logits(whole, gone, exact, start), masked)
        except (UnknownLayoutError, UnexpectedCallError):
            return False
