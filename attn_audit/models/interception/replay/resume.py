"""Every call that had finished before the attention returns what it returned."""

from typing import Any

from attn_audit.models.interception.layout import UnknownLayoutError, map_batch, repeat
from attn_audit.models.interception.point import Reached
from attn_audit.models.interception.replay.imposing import (
    VariantLogits,
    Way,
    Weights,
    imposed,
    n_variants,
)
from attn_audit.models.interception.script import Step


def resume(reached: Reached) -> Way:
    """Run only what lies behind the attention, with the weights imposed.

    Args:
        reached: Where.

    Raises:
        UnknownLayoutError: The calls before the attention cannot be skipped.
    """
    script = reached.point.script
    if script is None:
        raise UnknownLayoutError

    def replay(weights: Weights) -> VariantLogits:
        times, n_rows = n_variants(weights), len(reached.inputs)
        n_positions = script.n_positions, reached.inputs.n_positions

        def stand_in(step: Step) -> Any:
            assert step.axes is not None
            return map_batch(
                reached.outputs[step.key],
                step.axes,
                lambda t, axis: repeat(t, axis, n_rows, n_positions, times),
            )

        with imposed(reached, script.n_before, weights), script.followed(stand_in):
            logits = reached.classifier.logits(reached.inputs.repeat(times))
        return logits.reshape(-1, times, logits.shape[-1])

    return replay
