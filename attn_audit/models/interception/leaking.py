"""Whether a masked token still moves the logits."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from attn_audit.models.interception.batch import InterceptedBatch
from attn_audit.models.interception.classifier import Classifier
from attn_audit.models.interception.lookup import EmbeddingLookUp
from attn_audit.shapes import Logits

MAX_LEAK = 1e-3
"""Of what changing the token moves the logits by where it is not masked."""

MIN_UNITS = 3
"""Units of a text that can tell."""

N_TEXTS = 2
"""That do tell: what one model does to a masked token, it does in every text."""


@dataclass(frozen=True)
class MaskTrial:
    """Which units speak although they are masked."""

    middle: bool
    """Convolutions, pooling over tokens and decoders that get the raw ids let them through."""
    first: bool
    """The residual of the token that is read out always comes through."""
    last: bool

    @property
    def leaks(self) -> bool:
        """Whether more than the one token that is read out comes through."""
        return self.middle or (self.first and self.last)


@torch.no_grad()
def try_masks(
    classifier: Classifier, look_up: EmbeddingLookUp, batch: InterceptedBatch, logits: Logits
) -> MaskTrial:
    """Mask one unit of each text, change it, and see whether the logits move.

    Args:
        classifier: A model that takes an attention mask.
        look_up: Where its tokens are looked up.
        batch: A few texts.
        logits: Theirs, with nothing masked.

    Returns:
        That all units speak, where the texts are too short to tell: masks are not trusted then.
    """
    n_units = batch.unit_mask.sum(dim=1)
    rows = (n_units >= MIN_UNITS).nonzero().flatten()[:N_TEXTS]
    if len(rows) == 0:
        return MaskTrial(middle=True, first=True, last=True)
    inputs, n_units, logits = batch.inputs.take(rows), n_units[rows], logits[rows]
    own = look_up.embed(inputs)
    other = own.flip(0, 1) + own.mean(dim=(0, 1))

    def speaks(units: Int[Tensor, " batch"]) -> bool:
        chosen = inputs.units == units.unsqueeze(1)
        masked = classifier.mask(inputs, chosen)
        hidden = look_up.logits(classifier, masked, own, chosen)
        changed = look_up.logits(classifier, inputs, other, chosen)
        still_changed = look_up.logits(classifier, masked, other, chosen)
        leak = float((still_changed - hidden).abs().max())
        return leak > MAX_LEAK * float((changed - logits).abs().max())

    return MaskTrial(
        middle=speaks(n_units // 2),
        first=speaks(torch.zeros_like(n_units)),
        last=speaks(n_units - 1),
    )
