"""The surest way: the whole model again, for each variant."""

from attn_audit.models.interception.point import Reached
from attn_audit.models.interception.replay.imposing import (
    VariantLogits,
    Way,
    Weights,
    imposed,
    n_variants,
)


def full(reached: Reached) -> Way:
    """Run the whole model with the weights imposed.

    Args:
        reached: Where.
    """

    def replay(weights: Weights) -> VariantLogits:
        times = n_variants(weights)
        with imposed(reached, reached.point.number, weights):
            logits = reached.classifier.logits(reached.inputs.repeat(times))
        return logits.reshape(-1, times, logits.shape[-1])

    return replay
