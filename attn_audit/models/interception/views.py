"""Attention weights of any shape as (batch, head, query, key), and back."""

from dataclasses import dataclass

import torch
from torch import Tensor

Sized = tuple[torch.Size, int]
"""A shape that weights had, and the rows of the batch that they were computed in."""


@dataclass(frozen=True)
class Axes:
    """What each axis of one attention's weights stands for; counted from the front."""

    key: int
    """The one along which they sum to 1."""
    batch: int
    per_row: int = 1
    """Entries along the batch's axis for each of its rows: heads, where they are folded into it."""
    query: int | None = None
    """None where there is one query, without an axis of its own."""
    is_head_major: bool = False
    """Whether all rows of the first head come before those of the second, where heads are folded
    into the batch."""

    @staticmethod
    def guessed(shape: torch.Size, key: int, n_batch: int) -> "Axes | None":
        """The layout that a shape suggests; None where it is none of the usual ones.

        Usual are (batch, key), (batch, query, key), (batch * head, query, key) and (batch, head,
        query, key), with the keys along any axis.
        """
        outer = [axis for axis in range(len(shape)) if axis != key]
        if not 1 <= len(outer) <= 3:
            return None
        per_row, remainder = divmod(shape[outer[0]], n_batch)
        if remainder or per_row < 1 or (per_row > 1 and len(outer) != 2):
            return None
        return Axes(key, outer[0], per_row, outer[-1] if len(outer) > 1 else None)

    @staticmethod
    def tried(key: int, first: Sized, shorter: Sized | None, more: Sized) -> "Axes | None":
        """The layout that three sizes show, whatever coincides at one of them.

        What grows with the batch is the batch, what grows with the text are the queries, and what
        does neither are heads.

        Args:
            key: The axis along which the weights sum to 1.
            first: Of a text.
            shorter: Of a shorter text; None where all are of one length.
            more: Of the first text, in a batch of more rows.

        Returns:
            None where no axis, or more than one, is the batch or the queries.
        """
        shape, n_rows = first
        if len(more[0]) != len(shape) or (shorter and len(shorter[0]) != len(shape)):
            return None
        others = [axis for axis in range(len(shape)) if axis != key]
        batch = [axis for axis in others if more[0][axis] != shape[axis]]
        if not batch:  # computed for one text after the other: right where there is one
            batch = [axis for axis in others if shape[axis] == n_rows == 1][:1]
        elif more[0][batch[0]] * n_rows != shape[batch[0]] * more[1]:
            return None
        if len(batch) != 1:
            return None
        per_row, remainder = divmod(shape[batch[0]], n_rows)
        rest = [axis for axis in others if axis != batch[0]]
        query = [axis for axis in rest if shorter and shorter[0][axis] != shape[axis]]
        if (
            remainder
            or len(query) > 1
            or (shorter and shorter[0][batch[0]] != per_row * shorter[1])
        ):
            return None
        if not query and rest:  # of a fixed number of queries and of heads the order says nothing
            query = rest[-1:]
        return Axes(key, batch[0], per_row, query[0] if query else None)


@dataclass(frozen=True)
class WeightsView:
    """How one attention's weights are laid out in a batch."""

    own: torch.Size
    """The model's own shape."""
    split: torch.Size
    """The same with the batch's axis in two: its rows, and the heads folded into it."""
    order: tuple[int, ...]
    """Axes of `split`: batch, heads, query where there is an axis of it, key."""
    shape: tuple[int, int, int, int]
    """Batch, head, query, key."""

    @staticmethod
    def of(
        weights: Tensor, axis: int, n_batch: int, axes: Axes | None = None
    ) -> "WeightsView | None":
        """The view of weights; None where their layout is unknown.

        Args:
            weights: As the model computes them.
            axis: Along which they sum to 1.
            n_batch: Rows of the batch.
            axes: What a trial found; None: what the shape suggests.
        """
        shape, key = weights.shape, axis % weights.dim()
        axes = axes or Axes.guessed(shape, key, n_batch)
        if axes is None or axes.key != key or shape[axes.batch] != n_batch * axes.per_row:
            return None
        pair = (axes.per_row, n_batch) if axes.is_head_major else (n_batch, axes.per_row)
        split = torch.Size((*shape[: axes.batch], *pair, *shape[axes.batch + 1 :]))
        rows, folded = axes.batch, axes.batch + 1
        if axes.is_head_major:
            rows, folded = folded, rows
        last = [_behind(one, axes.batch) for one in (axes.query, key) if one is not None]
        heads = [i for i in range(len(split)) if i not in (rows, folded, *last)]
        order = (rows, folded, *heads, *last)
        n_heads = axes.per_row
        for head in heads:
            n_heads *= split[head]
        n_queries = 1 if axes.query is None else shape[axes.query]
        return WeightsView(shape, split, order, (n_batch, n_heads, n_queries, shape[key]))

    def open(self, weights: Tensor) -> Tensor:
        """(batch, head, query, key); also of scores that are broadcast over some axes."""
        return weights.expand(self.own).reshape(self.split).permute(self.order).reshape(self.shape)

    def close(self, weights: Tensor) -> Tensor:
        """The model's own layout.

        Args:
            weights: (batch, head, query, key).
        """
        ordered = weights.reshape([self.split[axis] for axis in self.order])
        back = sorted(range(len(self.order)), key=self.order.__getitem__)
        return ordered.permute(back).reshape(self.own).contiguous()


def _behind(axis: int, split: int) -> int:
    """Where an axis is after one before it was split in two."""
    return axis + (axis > split)
