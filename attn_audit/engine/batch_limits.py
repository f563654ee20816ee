"""How large a batch may be: as large as is of use to the device, and as memory allows."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from attn_audit.engine.memory import machine_memory
from attn_audit.models.base import AuditedModel

N_EXAMPLES, N_TOKENS = 1024, 12_288
"""On a CPU, larger batches are no faster: their tensors leave its caches. Of short texts it takes
many until the arithmetic of a batch costs more than the calls."""

N_EXAMPLES_GPU, N_TOKENS_GPU = 512, 65_536

MIN_TOKENS = 256
"""However large the model is, a batch may hold a text of this length."""

MEMORY, PART_OF_MACHINE = 2**30, 1 / 8
"""Bytes of activations on a CPU, and the part of a small machine that they may take."""

PART_OF_FREE = 1 / 4
"""Of a GPU's free memory; the rest is for the many variants of a batch that checks try."""

TENSORS_PER_OUTPUT = 2
"""Tensors that a backward pass keeps for each output of a layer: the output itself, and what the
activation, the normalisation or the residual sum behind it makes of it."""


@dataclass(frozen=True)
class BatchLimits:
    """A batch is full when one more example would make it exceed one of them."""

    n_examples: int = N_EXAMPLES
    n_tokens: int = N_TOKENS
    """Padding included. A longer example stands alone."""

    def below(self, n_tokens: int) -> "BatchLimits":
        """Limits at half of what was too much.

        Args:
            n_tokens: Of the batch for which memory was not enough.
        """
        return replace(self, n_tokens=max(1, n_tokens // 2))


def batch_limits(model: AuditedModel, batch_size: int | Literal["auto"]) -> BatchLimits:
    """The limits for a model on its device.

    Texts that disturb each other stand alone, whatever the user says. On a CPU the limits depend on
    the model and the machine alone, not on what else runs there, so that the same audit is computed
    in the same batches again.

    Args:
        model: The model.
        batch_size: Examples in a batch, or `auto`.
    """
    if not model.batches_texts:
        batch_size = 1
    if batch_size != "auto":
        return BatchLimits(batch_size)
    per_token = bytes_per_token(model.module)
    if model.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(model.device)
        n_tokens = _power_of_two(int(free * PART_OF_FREE) // per_token)
        return BatchLimits(N_EXAMPLES_GPU, max(MIN_TOKENS, min(N_TOKENS_GPU, n_tokens)))
    memory = min(MEMORY, int(machine_memory() * PART_OF_MACHINE))
    return BatchLimits(n_tokens=max(MIN_TOKENS, min(N_TOKENS, _power_of_two(memory // per_token))))


def bytes_per_token(module: nn.Module) -> int:
    """About how much memory a forward pass needs for each token, kept for a backward pass.

    Every layer's outputs, from the shapes of its weights; attention weights, which grow with the
    square of the length, are not counted.

    Args:
        module: Any model.
    """
    total = 0
    for part in module.modules():
        is_table = isinstance(part, nn.Embedding)
        for weights in part.parameters(recurse=False):
            if weights.dim() >= 2:
                total += weights.shape[1 if is_table else 0] * weights.element_size()
    return max(1, total * TENSORS_PER_OUTPUT)


def _power_of_two(number: int) -> int:
    """The largest one that is not larger: free memory that varies a little changes no batch."""
    return 1 << max(0, number.bit_length() - 1)
