"""What every kind of output is: labels, and how to have a module give one number for each."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.huggingface.configuration import Question, task_of
from attn_audit.models.interception.classifier import ModelInputs
from attn_audit.models.interception.module_calls import replaced_forwards
from attn_audit.models.self_check import TOLERANCES
from attn_audit.models.task import Task
from attn_audit.settings import TaskName

IDS, MASK, TYPES, PLACES = "input_ids", "attention_mask", "token_type_ids", "position_ids"
"""What modules of `transformers` call their inputs."""

FOLLOWING = "following"
"""An input that no module gets: at each position the token that an output asks for, if any; of
several pairs in one sequence the number of the pair."""


class Output(ABC):
    """One kind of output of one module."""

    task: Task
    details: Mapping[str, str]
    """What a description of the model says of it, beside its labels."""
    behind: tuple[int, ...] = ()
    """Tokens that stand behind every text, and are no part of it."""
    has_following: bool = False
    """Whether each text says itself what is to follow it."""
    max_length: int | None = None
    """Of a text with all that stands around it, where the output needs the whole of it in sight."""

    def arguments(self, inputs: ModelInputs) -> Mapping[str, Tensor]:
        """What a call gets in place of some of its inputs."""
        return {}

    def asked(self, inputs: ModelInputs) -> AbstractContextManager[None]:
        """Around each call of the module: has it give no more than is read."""
        return nullcontext()

    def read_rows(self, inputs: ModelInputs) -> Bool[Tensor, "batch position"] | None:
        """The positions that it is read at; None where that is one of each text, or unknown."""
        return None

    @abstractmethod
    def read(self, output: Any, inputs: ModelInputs) -> Float[Tensor, "batch output"]:
        """The numbers that the task makes logits of, in float32 or better.

        Args:
            output: What the module gave.
            inputs: What it gave that of.

        Raises:
            UnsupportedModelError: They are not in it.
        """

    def gives(
        self, call: Callable[[], Any], inputs: ModelInputs, expected: Tensor, dtype: torch.dtype
    ) -> bool:
        """Whether one call gives what is expected, up to what the self-check allows a dtype."""
        try:
            with self.asked(inputs):
                found = self.read(call(), inputs)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception:  # a model may fail in any way at what it was not made for
            return False
        size = expected.abs().amax().clamp_min(1)
        return float((found - expected).abs().amax() / size) <= TOLERANCES[dtype]


def in_full(logits: Tensor) -> Tensor:
    """In float32 or better."""
    return logits if logits.dtype == torch.float64 else logits.float()


def head_of(module: Any, name: str) -> Any:
    """The layer that gives the logits of a vocabulary.

    Raises:
        UnsupportedModelError: There is none.
    """
    head = module.get_output_embeddings()
    if not isinstance(head, nn.Module):
        raise UnsupportedModelError(f"{name} has no layer that gives a vocabulary's logits")
    return head


def mask_of(sees: Bool[Tensor, "batch query key"], dtype: torch.dtype) -> Tensor:
    """The mask that a module adds to its scores, for all heads."""
    mask = torch.zeros_like(sees, dtype=dtype).masked_fill(~sees, torch.finfo(dtype).min)
    return mask.unsqueeze(1)


def at_positions(
    head: nn.Module, at: Int[Tensor, "batch row"], give: Callable[[Tensor], Tensor]
) -> AbstractContextManager[None]:
    """Within: the layer is given the states of some positions of each text alone.

    Args:
        give: What it makes of them.
    """
    texts = torch.arange(len(at), device=at.device).unsqueeze(1)
    return replaced_forwards([head], lambda *_: lambda states: give(states[texts, at]))


def prompt_in_words(question: Question) -> str:
    """The prompt as it was written, and whether it is a message."""
    return repr(question.written) + (", in a chat" if question.is_chat else "")


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
