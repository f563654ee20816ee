"""What a module's `forward` takes, and the outputs of its head."""

import inspect
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_audit.errors import UnsupportedModelError


def accepts(module: nn.Module, argument: str) -> bool:
    """Whether `forward` has an argument of this name; what it only passes on does not count."""
    return argument in inspect.signature(module.forward).parameters


def raw_logits(output: Any, n_outputs: int, name: str) -> Float[Tensor, "batch output"]:
    """The logits in what a classifier gave, in float32 or better.

    Args:
        output: Of `transformers`, or a tuple that begins with the logits.
        n_outputs: As many as the configuration says.
        name: What messages call the model.

    Raises:
        UnsupportedModelError: There are no such logits.
    """
    logits = output[0] if isinstance(output, tuple) else getattr(output, "logits", None)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or logits.shape[1] != n_outputs:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(output).__name__
        raise UnsupportedModelError(
            f"{name} gives no {n_outputs} logits for each text, as its configuration says ({found})"
        )
    return logits if logits.dtype == torch.float64 else logits.float()
