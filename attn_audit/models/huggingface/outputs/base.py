"""What every kind of output is: labels, and how to have a module give one number for each."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.models.interception.classifier import ModelInputs
from attn_audit.models.task import Task

IDS, MASK, TYPES, PLACES = "input_ids", "attention_mask", "token_type_ids", "position_ids"
"""What modules of `transformers` call their inputs."""


class Output(ABC):
    """One kind of output of one module."""

    task: Task
    details: Mapping[str, str]
    """What a description of the model says of it, beside its labels."""
    behind: tuple[int, ...] = ()
    """Tokens that stand behind every text, and are no part of it."""
    max_length: int | None = None
    """Of a text with all that stands around it, where the output needs the whole of it in sight."""

    def arguments(self, inputs: ModelInputs) -> Mapping[str, Tensor]:
        """What a call gets in place of some of its inputs."""
        return {}

    def asked(self, inputs: ModelInputs) -> AbstractContextManager[None]:
        """Around each call of the module: has it give no more than is read."""
        return nullcontext()

    @abstractmethod
    def read(self, output: Any) -> Float[Tensor, "batch output"]:
        """The numbers that the task makes logits of, in float32 or better.

        Args:
            output: What the module gave.

        Raises:
            UnsupportedModelError: They are not in it.
        """


def in_full(logits: Tensor) -> Tensor:
    """In float32 or better."""
    return logits if logits.dtype == torch.float64 else logits.float()
