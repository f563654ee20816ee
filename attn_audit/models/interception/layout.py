"""Where the batch stands in what a module returns, found by calling it on two batch sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from attn_audit.models.interception.torch_private import flatten, unflatten


@dataclass(frozen=True)
class BatchAxis:
    """The axis of a tensor that grows with the batch."""

    axis: int
    per_row: int
    """Entries along the axis for each row of the batch: heads or positions, where they are folded
    into it."""

    def allows(self, size: int, n_rows: int, n_positions: tuple[int, int]) -> bool:
        """Whether a batch of so many rows may have so many entries.

        Args:
            size: Along the axis.
            n_rows: Of the batch.
            n_positions: Of a row in the trial, and of one here.
        """
        then, now = n_positions
        n_folded, remainder = divmod(self.per_row, then)
        of_positions = () if remainder else (n_folded * now,)
        return size in [n_rows * per_row for per_row in (self.per_row, *of_positions)]


class UnknownLayoutError(Exception):
    """What a module returned cannot be laid out for another batch; never reaches the user."""


def batch_axes(
    one: object, other: object, n_one: int, n_other: int
) -> tuple[BatchAxis | None, ...]:
    """For each tensor of a nested structure the axis of the batch; None where it has none.

    Args:
        one: What a module returned.
        other: What it returned for another batch of equally long rows.
        n_one: Rows of the first batch.
        n_other: Rows of the second.

    Raises:
        UnknownLayoutError: The two differ in more than the batch.
    """
    leaves, structure = _leaves(one)
    others, other_structure = _leaves(other)
    if structure != other_structure:
        raise UnknownLayoutError
    return tuple(
        _axis(a, b, n_one, n_other) if isinstance(a, Tensor) and isinstance(b, Tensor) else None
        for a, b in zip(leaves, others, strict=True)
    )


def _axis(one: Tensor, other: Tensor, n_one: int, n_other: int) -> BatchAxis | None:
    if one.dim() != other.dim():
        raise UnknownLayoutError
    pairs = zip(one.shape, other.shape, strict=True)
    differing = [i for i, (a, b) in enumerate(pairs) if a != b]
    if not differing:
        return None
    axis = differing[0]
    per_row, remainder = divmod(one.shape[axis], n_one)
    if len(differing) > 1 or remainder or other.shape[axis] != per_row * n_other:
        raise UnknownLayoutError
    return BatchAxis(axis, per_row)


def tensors_in(value: object) -> list[Tensor]:
    """All tensors of a nested structure."""
    return [leaf for leaf in _leaves(value)[0] if isinstance(leaf, Tensor)]


def map_batch(
    value: Any, axes: tuple[BatchAxis | None, ...], change: Callable[[Tensor, BatchAxis], Tensor]
) -> Any:
    """Change every tensor that has the batch in it, and leave the structure as it is.

    Args:
        value: What a module returned.
        axes: From `batch_axes`.
        change: Gets each tensor and its axis.
    """
    leaves, structure = _leaves(value)
    changed = [
        change(leaf, axis) if axis is not None and isinstance(leaf, Tensor) else leaf
        for leaf, axis in zip(leaves, axes, strict=True)
    ]
    return _restore(changed, structure)


def repeat(
    tensor: Tensor, axis: BatchAxis, n_rows: int, n_positions: tuple[int, int], times: int
) -> Tensor:
    """Every row of the batch `times` times in succession; always a copy.

    Args:
        tensor: With the batch along `axis`.
        axis: Where the batch is.
        n_rows: Of the batch.
        n_positions: Of a row in the trial, and of one here.
        times: How often.

    Raises:
        UnknownLayoutError: The axis does not hold as much of every row.
    """
    before, after = tensor.shape[: axis.axis], tensor.shape[axis.axis + 1 :]
    size = tensor.shape[axis.axis]
    if not axis.allows(size, n_rows, n_positions):
        raise UnknownLayoutError
    rows = tensor.reshape(*before, n_rows, size // n_rows, *after)
    return rows.repeat_interleave(times, dim=axis.axis).reshape(*before, -1, *after)


# A packed sequence has its rows one behind the other, so its padded form is what is laid out.


def _leaves(value: object) -> tuple[list[Any], Any]:
    leaves, structure = flatten(value, is_leaf=lambda v: isinstance(v, PackedSequence))
    flat: list[Any] = []
    kinds: list[bool] = []
    for leaf in leaves:
        kinds.append(isinstance(leaf, PackedSequence))
        flat += pad_packed_sequence(leaf, batch_first=True) if kinds[-1] else (leaf,)
    return flat, (structure, tuple(kinds))


def _restore(flat: list[Any], structure: Any) -> Any:
    spec, kinds = structure
    rest = iter(flat)
    leaves: list[Any] = []
    for is_packed in kinds:
        leaf = next(rest)
        if is_packed:
            lengths = torch.as_tensor(next(rest)).cpu()
            leaf = pack_padded_sequence(leaf, lengths, batch_first=True, enforce_sorted=False)
        leaves.append(leaf)
    return unflatten(leaves, spec)
