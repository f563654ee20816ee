"""On which side shorter texts are padded."""

import dataclasses
from collections.abc import Sequence

import torch

from attn_audit.data.example import Example
from attn_audit.models.base import Encoded
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.padding import Side

MAX_ERROR = 1e-2
"""Of the spread of the logits: reading at the wrong position is off by about the spread itself."""


@torch.no_grad()
def choose_padding_side(classifier: HuggingFaceClassifier, trial: Sequence[Example]) -> None:
    """Pad on the right, or on the left if only then a padded text gives what it gives alone.

    Encoders that read the first token must be padded right; most decoders find their last token
    themselves; a few models (XLNet) read the last position, whatever stands there.

    Args:
        classifier: Its side is set.
        trial: A few texts of different lengths.
    """
    unlabelled = [dataclasses.replace(e, labels=None, candidates=None) for e in trial]
    encoded = classifier.encode(unlabelled)
    errors: dict[Side, float] = {}
    sides: tuple[Side, ...] = ("right", "left")
    for side in sides:
        classifier.padding_side = side
        errors[side] = _error(classifier, encoded)
        if errors[side] <= MAX_ERROR:
            return
    classifier.padding_side = min(sides, key=lambda side: errors[side])


def _error(classifier: HuggingFaceClassifier, encoded: Sequence[Encoded]) -> float:
    """Largest difference of a logit from the text alone, over the spread of the logits."""
    together = classifier.logits(classifier.collate(encoded))
    alone = torch.cat([classifier.logits(classifier.collate([item])) for item in encoded])
    spread = float(alone.amax() - alone.amin())
    return float((together - alone).abs().max()) / max(spread, torch.finfo(alone.dtype).tiny)
