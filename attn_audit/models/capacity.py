"""How much is computed at once: one rule, in bytes, from what the device has."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

MEMORY, PART_OF_MACHINE = 2**29, 1 / 16
"""Bytes that one computation may take on a CPU, and the part of a small machine."""

PART_OF_FREE = 1 / 4
"""The same of a GPU's free memory; the rest is for what is kept beside it."""

CACHE, CACHE_GPU = 2**23, 2**26
"""Bytes that arithmetic goes through again and again: about what stays near the cores."""

N_TOKENS, N_TOKENS_GPU = 8192, 65_536
"""Larger passes are no faster, however small the model is."""

MIN_TOKENS = 256
"""However large the model is, a pass may hold a text of this length."""

N_EXAMPLES = 1024
"""Of short texts it takes many until the arithmetic of a batch costs more than the calls."""

TENSORS_PER_OUTPUT = 2
"""Tensors that a backward pass keeps for each output of a layer: the output itself, and what the
activation, the normalisation or the residual sum behind it makes of it."""

BYTES_OF_AN_OUTPUT = 64
"""Worked on for each logit: its probability in float64, how far that is from another, and more."""

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""What a container may use, where this is one; the word `max` where it may use everything."""


@dataclass(frozen=True)
class Capacity:
    """What fits, for one model on its device.

    On a CPU it depends on the model and the machine alone, not on what else runs there, so that the
    same audit is computed in the same portions again.
    """

    memory: int
    """Bytes of one computation."""
    cache: int
    """Bytes of arithmetic that is done portion by portion."""
    n_tokens: int
    """Tokens of one pass through the model, padding included; a longer text stands alone."""

    @staticmethod
    def of(module: nn.Module, device: torch.device) -> "Capacity":
        """Of a device for a model that is there already."""
        memory = min(MEMORY, int(machine_memory() * PART_OF_MACHINE))
        cache, most = CACHE, N_TOKENS
        if device.type == "cuda":
            memory = int(torch.cuda.mem_get_info(device)[0] * PART_OF_FREE)
            cache, most = CACHE_GPU, N_TOKENS_GPU
        n_tokens = min(most, _power_of_two(memory // bytes_per_token(module)))
        return Capacity(_power_of_two(memory), cache, max(MIN_TOKENS, n_tokens))

    def in_memory(self, n_bytes: int) -> int:
        """How many items of so many bytes, with all that is made of them, may be there at once."""
        return max(1, self.memory // n_bytes)

    def in_cache(self, n_bytes: int) -> int:
        """How many such items make a portion of arithmetic."""
        return max(1, self.cache // n_bytes)

    def tokens_in_cache(self, module: nn.Module) -> int:
        """Tokens of a pass of which the widest layer's output stays near the cores.

        Passes without a gradient are fastest so on a CPU; a GPU wants them as large as they fit.
        """
        widths = [
            weights.shape[0] * weights.element_size()
            for part in module.modules()
            if not isinstance(part, nn.Embedding)
            for weights in part.parameters(recurse=False)
            if weights.dim() == 2
        ]
        in_cache = _power_of_two(self.in_cache(max(widths, default=1)))
        return min(self.n_tokens, max(MIN_TOKENS, in_cache))

    def halved(self) -> "Capacity":
        """Where it was too much."""
        return Capacity(self.memory // 2, self.cache, max(1, self.n_tokens // 2))


@dataclass(frozen=True)
class BatchLimits:
    """A batch is full when one more example would make it exceed one of them."""

    n_examples: int = N_EXAMPLES
    n_tokens: int = N_TOKENS
    """Padding included. A longer example stands alone."""

    def below(self, n_tokens: int) -> "BatchLimits":
        """At half of the tokens for which memory was not enough."""
        return replace(self, n_tokens=max(1, n_tokens // 2))


def bytes_per_token(module: nn.Module) -> int:
    """About how much memory a forward pass needs for each token, kept for a backward pass.

    Every layer's outputs, from the shapes of its weights; attention weights, which grow with the
    square of the length, are not counted.
    """
    total = 0
    for part in module.modules():
        is_table = isinstance(part, nn.Embedding)
        for weights in part.parameters(recurse=False):
            if weights.dim() >= 2:
                total += weights.shape[1 if is_table else 0] * weights.element_size()
    return max(1, total * TENSORS_PER_OUTPUT)


def machine_memory() -> int:
    """Bytes of memory that this machine or container has, in use or not."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):
        return physical


def _power_of_two(number: int) -> int:
    """The largest one that is not larger: free memory that varies a little changes no batch."""
    return 1 << max(0, number.bit_length() - 1)


CALLS = 1 / 32
"""What the calls of one more pass cost, as a part of the largest pass."""


def full_batches(
    lengths: Int[Tensor, " row"], max_positions: int, *, may_pad: bool = True
) -> Iterator[Int[Tensor, " chosen"]]:
    """Rows sorted by length and cut into batches, where padding costs less than one more pass.

    Args:
        max_positions: Padded positions in one batch, at most; a longer row stands alone.

    Yields:
        Indices of rows, shortest first; all rows once.
    """
    max_positions = max(1, max_positions)
    order = torch.argsort(lengths, stable=True)
    sizes, counts = (found.tolist() for found in torch.unique(lengths, return_counts=True))
    start = 0
    groups = _together(sizes, counts, max_positions) if may_pad else zip(sizes, counts, strict=True)
    for size, count in groups:
        n_passes = max(1, -(-count * size // max_positions))
        n_rows = max(1, max_positions // max(1, size)) if n_passes > 1 else count
        for first in range(start, start + count, n_rows):
            yield order[first : min(first + n_rows, start + count)]
        start += count


def _together(
    sizes: Sequence[int], counts: Sequence[int], max_positions: int
) -> Iterator[tuple[int, int]]:
    """Neighbouring lengths that are padded to one, so that the sum of what is computed is least.

    Yields:
        The longest of them, and the number of rows.
    """
    ends = np.cumsum([0, *counts])
    costs, begins = [0.0], [0]
    for i, size in enumerate(sizes, start=1):
        positions = size * (ends[i] - ends[:i])
        n_passes = np.ceil(positions / max_positions)
        of_each = np.array(costs) + positions + n_passes * (CALLS * max_positions)
        begins.append(int(of_each.argmin()))
        costs.append(float(of_each[begins[-1]]))
    found, end = list[tuple[int, int]](), len(sizes)
    while end:
        begin = begins[end]
        found.append((sizes[end - 1], int(ends[end] - ends[begin])))
        end = begin
    yield from reversed(found)


def in_order(parts: list[Tensor], batches: list[Tensor]) -> Tensor:
    """What was computed for the batches of `full_batches`, in the order of the rows."""
    values = torch.cat(parts)
    out = torch.empty_like(values)
    out[torch.cat(batches)] = values
    return out
