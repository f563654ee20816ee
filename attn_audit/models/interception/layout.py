"""Where the batch stands in what a module returns, found by calling it on two batch sizes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils._pytree import tree_flatten, tree_unflatten


class UnknownLayoutError(Exception):
    """What a module returned cannot be laid out for another batch; never reaches the user."""


def batch_axes(one: object, other: object, n_one: int, n_other: int) -> tuple[int | None, ...]:
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


def _axis(one: Tensor, other: Tensor, n_one: int, n_other: int) -> int | None:
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
    return axis


def map_batch(
    value: Any, axes: tuple[int | None, ...], change: Callable[[Tensor, int], Tensor]
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


def repeat(tensor: Tensor, axis: int, n_rows: int, times: int) -> Tensor:
    """Every row of the batch `times` times in succession; always a copy.

    Args:
        tensor: With the batch along `axis`, perhaps with heads or positions folded into it.
        axis: Where the batch is.
        n_rows: Of the batch.
        times: How often.

    Raises:
        UnknownLayoutError: The axis does not hold as much of every row.
    """
    before, after = tensor.shape[:axis], tensor.shape[axis + 1 :]
    per_row, remainder = divmod(tensor.shape[axis], n_rows)
    if remainder:
        raise UnknownLayoutError
    rows = tensor.reshape(*before, n_rows, per_row, *after)
    return rows.repeat_interleave(times, dim=axis).reshape(*before, -1, *after)


# A packed sequence has its rows one behind the other, so its padded form is what is laid out.


def _leaves(value: object) -> tuple[list[Any], Any]:
    leaves, structure = tree_flatten(value, is_leaf=lambda v: isinstance(v, PackedSequence))
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
    return tree_unflatten(leaves, spec)
