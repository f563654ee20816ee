"""A user's model behind the contract, whose failures name texts and lines."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.models.base import Batch, Encoded, LinearReadout, Reading, Site
from attn_audit.models.custom.classifier import CustomClassifier
from attn_audit.models.custom.failures import failures_named
from attn_audit.models.interception.batch import InterceptedBatch
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.shapes import Logits


class CustomInterceptedModel(InterceptedModel):
    """An intercepted model, with every call that leads into the user's code under guard."""

    def __init__(
        self,
        classifier: CustomClassifier,
        trial: Sequence[Example],
        within: nn.Module | None = None,
    ) -> None:
        """Find out by trial how the model computes its attention and what it does with it.

        Args:
            classifier: The user's.
            trial: A few texts to try it out on, of different lengths.
            within: The submodule to look for attention in; None: anywhere.

        Raises:
            AuditFailedError: The user's code fails.
            UnsupportedModelError: No attention over the input is seen.
        """
        with failures_named(lambda: [example.id for example in trial]):
            super().__init__(classifier, trial, within=within)

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """Split texts into the user's tokens."""
        with failures_named(lambda: self._failing(examples)):
            return super().encode(examples)

    def collate(self, encoded: Sequence[Encoded]) -> InterceptedBatch:
        """Encode and pad a batch."""
        with self._guard(encoded):
            return super().collate(encoded)

    @torch.no_grad()
    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        """One pass for all sites."""
        with self._guard(batch.encoded):
            readings = super().read(batch, sites)
        return [self._guarded(reading, batch.encoded) for reading in readings]

    def _guarded(self, reading: Reading, encoded: Sequence[Encoded]) -> Reading:
        def replay(
            attention: Float[Tensor, "batch variant row unit"],
        ) -> Float[Tensor, "batch variant label"]:
            with self._guard(encoded):
                return reading.replay(attention)

        def find_linear_readout() -> LinearReadout | None:
            with self._guard(encoded):
                return reading.find_linear_readout()

        return replace(reading, replay=replay, find_linear_readout=find_linear_readout)

    def forward(
        self,
        batch: Batch,
        embeddings: Float[Tensor, "batch token embedding"],
        hold_attention: bool,
    ) -> Logits:
        """Logits with the embeddings of the audited tokens replaced."""
        with self._guard(batch.encoded):
            return super().forward(batch, embeddings, hold_attention)

    def erase(
        self, batch: Batch, keep: Bool[Tensor, "batch variant unit"]
    ) -> Float[Tensor, "batch variant label"]:
        """Logits of shorter texts."""
        with self._guard(batch.encoded):
            return super().erase(batch, keep)

    def _guard(self, encoded: Sequence[Encoded]) -> AbstractContextManager[None]:
        return failures_named(lambda: self._failing([item.example for item in encoded]))

    def _failing(self, examples: Sequence[Example]) -> list[str]:
        """The examples that fail each by itself; all where none does."""
        alone = [example.id for example in examples if self._fails(example)]
        return alone or [example.id for example in examples]

    @torch.no_grad()
    def _fails(self, example: Example) -> bool:
        try:
            self.classifier.logits(self.classifier.collate(self.classifier.encode([example])))
        except Exception:
            return True
        return False
