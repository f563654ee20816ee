"""Rows of different lengths in full batches, so that little of a pass is padding."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor


def full_batches(
    lengths: Int[Tensor, " row"], max_positions: int, *, of_one_length: bool = False
) -> Iterator[Int[Tensor, " chosen"]]:
    """Rows sorted by length and cut into batches.

    Args:
        lengths: Positions of each row.
        max_positions: Padded positions in one batch, at most; a longer row stands alone.
        of_one_length: Whether no row may be padded.

    Yields:
        Indices of rows, shortest first; all rows once.
    """
    order = lengths.argsort(stable=True)
    sorted_lengths = lengths[order].tolist()
    start = 0
    while start < len(sorted_lengths):
        stop = start + 1
        while (
            stop < len(sorted_lengths)
            and (stop + 1 - start) * sorted_lengths[stop] <= max_positions
            and not (of_one_length and sorted_lengths[stop] > sorted_lengths[start])
        ):
            stop += 1
        yield order[start:stop]
        start = stop


def in_order(parts: list[Tensor], batches: list[Tensor]) -> Tensor:
    """What was computed batch by batch, in the order of the rows.

    Args:
        parts: One result a row, batch by batch.
        batches: From `full_batches`.
    """
    values = torch.cat(parts)
    out = torch.empty_like(values)
    out[torch.cat(batches)] = values
    return out
