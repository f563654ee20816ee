"""Two labels, one logit: the log-odds of the second label."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.models.task import Task, TaskKind


class Binary(Task):
    """One sigmoid; or, in a module, a softmax over two outputs."""

    name = TaskKind.BINARY.value
    is_softmax = False
    n_labels = (2, 2)

    @property
    def n_logits(self) -> int:
        """One."""
        return 1

    @property
    def n_outputs(self) -> tuple[int, ...]:
        """One sigmoid, or two classes that compete."""
        return (1, 2)

    def from_outputs(self, outputs: Float[Tensor, "batch output"]) -> Float[Tensor, "batch label"]:
        """Of two classes the log-odds of the second."""
        return outputs[:, 1:] - outputs[:, :1] if outputs.shape[1] == 2 else outputs

    def predictions(self, probabilities: Float[Tensor, "batch label"]) -> list[str]:
        """One half goes to the second label."""
        return [self.labels[int(p >= 0.5)] for p in probabilities[:, 0].tolist()]

    def scores(
        self, logits: Float[Tensor, "batch label"]
    ) -> tuple[Float[Tensor, "batch score"], Float64[Tensor, "batch score"]]:
        """The log-odds."""
        return logits, torch.ones_like(logits, dtype=torch.float64)
