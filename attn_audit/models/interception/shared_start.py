"""What lies before the first attention, computed once for all texts that come from one.

There a position is computed from its own token and its place alone: where a text without some
tokens keeps both, its first queries, keys and values are those of the whole text.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from attn_audit.models.interception.attention_point import AttentionPoint
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.module_calls import (
    BatchAxis,
    CallKey,
    Script,
    Step,
    UnknownLayoutError,
    kept_outputs,
    map_batch,
)
from attn_audit.models.interception.ways import handed_out


@dataclass(frozen=True)
class Start:
    """What the calls before the first attention returned for whole texts."""

    script: Script
    outputs: Mapping[CallKey, Any]
    shape: torch.Size
    """Of the batch of them: texts and positions."""

    @staticmethod
    @torch.no_grad()
    def of(classifier: Classifier, point: AttentionPoint, inputs: ModelInputs) -> "Start":
        """Run whole texts up to the first attention.

        Raises:
            UnknownLayoutError: The calls before it cannot be skipped.
        """
        script, follower = point.script, point.follower
        if point.number or script is None or follower is None:
            raise UnknownLayoutError
        with kept_outputs(script.finished) as outputs, handed_out(follower):
            classifier.logits(inputs)
        return Start(script, outputs, inputs.units.shape)


@dataclass(frozen=True)
class Origin:
    """Where the positions of shorter texts were, with the same tokens and at the same places."""

    start: Start
    rows: Int[Tensor, " row"]
    """The whole text that each is of."""
    positions: Int[Tensor, "row position"]
    """Any of it where there is padding."""

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Within: what lies before the first attention is taken from the whole texts."""
        n_positions = self.start.shape[1]
        index = (self.rows.unsqueeze(1) * n_positions + self.positions).flatten()

        def stand_in(step: Step) -> Any:
            assert step.axes is not None
            n_taken = 0

            def take(tensor: Tensor, axis: BatchAxis) -> Tensor:
                nonlocal n_taken
                if tensor.shape[:2] != self.start.shape:
                    raise UnknownLayoutError
                n_taken += 1
                taken = tensor.flatten(0, 1).index_select(0, index)
                return taken.reshape(*self.positions.shape, *tensor.shape[2:])

            output = map_batch(self.start.outputs[step.key], step.axes, take)
            return output if n_taken else NotImplemented

        with self.start.script.followed(stand_in):
            yield
