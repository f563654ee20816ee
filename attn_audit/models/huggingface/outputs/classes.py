"""The classes of a sequence classifier: what its own head gives."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.huggingface.configuration import task_of
from attn_audit.models.huggingface.outputs.base import Output, in_full
from attn_audit.models.interception.classifier import ModelInputs
from attn_audit.settings import TaskName


class Classes(Output):
    """As the model's configuration names them.

    Args:
        name: What messages call the model.
        said: What a head of one output is.

    Raises:
        ConfigurationError: That does not fit the head.
        UnsupportedModelError: It is a regression head.
    """

    def __init__(self, config: Any, name: str, said: TaskName | None) -> None:
        self.task = task_of(config, name, said)
        self.details = {}
        self._config, self._name = config, name

    def read(self, output: Any, inputs: ModelInputs) -> Float[Tensor, "batch output"]:
        """As many as the configuration says."""
        return raw_logits(output, int(self._config.num_labels), self._name)


def raw_logits(output: Any, n_outputs: int, name: str) -> Float[Tensor, "batch output"]:
    """The logits in what a classifier gave, in float32 or better.

    Raises:
        UnsupportedModelError: There are no such logits.
    """
    logits = output[0] if isinstance(output, tuple) else getattr(output, "logits", None)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or logits.shape[1] != n_outputs:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(output).__name__
        raise UnsupportedModelError(
            f"{name} gives no {n_outputs} logits for each text, as its configuration says ({found})"
        )
    return in_full(logits)
