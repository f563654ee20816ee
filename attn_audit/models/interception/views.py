"""Attention weights of any shape as (batch, head, query, key), and back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations, product
from math import prod

import torch
from torch import Tensor

Sized = tuple[torch.Size, int]
"""A shape that weights had, and the rows of the batch that they were computed in."""


BATCH, HEAD, QUERY, KEY = "b", "h", "q", "k"
"""What an axis stands for, or a part of one into which others are folded."""

_ORDER = BATCH + HEAD + QUERY + KEY


@dataclass(frozen=True)
class Axes:
    """What each axis of one attention's weights stands for; counted from the front."""

    key: int
    """The one along which they sum to 1."""
    outer: tuple[str, ...]
    """Of each other axis, what is folded into it, the slowest first: "bh" has all heads of the
    first row before those of the second."""
    n_folded_heads: int = 1
    """Heads that are folded into an axis."""

    @property
    def is_folded(self) -> bool:
        """Whether an axis stands for more than one thing."""
        return any(len(folded) > 1 for folded in self.outer)

    def orders(self) -> Iterator["Axes"]:
        """The same, folded in every order: this one first."""
        every = product(*(permutations(folded) for folded in self.outer))
        for outer in every:
            yield replace(self, outer=tuple("".join(folded) for folded in outer))

    @staticmethod
    def guessed(shape: torch.Size, key: int, n_batch: int) -> "Axes | None":
        """The layout that a shape suggests; None where it is none of the usual ones.

        Usual are (batch, key), (batch, query, key), (batch * head, query, key) and (batch, head,
        query, key), with the keys along any axis.
        """
        sizes = [size for axis, size in enumerate(shape) if axis != key]
        if not 1 <= len(sizes) <= 3:
            return None
        n_folded, remainder = divmod(sizes[0], n_batch)
        if remainder or n_folded < 1 or (n_folded > 1 and len(sizes) != 2):
            return None
        first = BATCH + HEAD if n_folded > 1 else BATCH
        return Axes(key, ((first,), (first, QUERY), (first, HEAD, QUERY))[len(sizes) - 1], n_folded)

    @staticmethod
    def tried(key: int, first: Sized, shorter: Sized | None, more: Sized) -> "Axes | None":
        """The layout that three sizes show, whatever coincides at one of them.

        What grows with the batch is the batch, what grows with the text are the queries, and what
        does neither are heads; of an axis that grows by more than one for each key, or by more than
        one for each row, the rest are heads that are folded into it.

        Args:
            key: The axis along which the weights sum to 1.
            first: Of a text.
            shorter: Of a shorter text; None where all are of one length.
            more: Of the first text, in a batch of more rows.

        Returns:
            None where no axis, or more than one, is the batch, the queries or folded heads.
        """
        shape, n_rows = first
        if len(more[0]) != len(shape) or (shorter and len(shorter[0]) != len(shape)):
            return None
        n_more_keys = shape[key] - shorter[0][key] if shorter else 0
        outer: list[str] = []
        n_folded = 1
        for axis in (axis for axis in range(len(shape)) if axis != key):
            size, letters = shape[axis], ""
            if more[0][axis] != size:
                if more[0][axis] * n_rows != size * more[1]:
                    return None
                letters = BATCH
                size //= n_rows
            n_more = size - shorter[0][axis] // (shorter[1] if letters else 1) if shorter else 0
            if n_more:
                letters += QUERY
                n_heads, remainder = divmod(n_more, n_more_keys) if n_more_keys > 0 else (1, 0)
                size = n_heads if n_heads > 1 and not remainder and not size % n_heads else 1
            if size > 1 or not letters:
                letters += HEAD
            if len(letters) > 1 and HEAD in letters:
                n_folded *= size
            outer.append(letters)
        return _completed(Axes(key, tuple(outer), n_folded), shape, n_rows)


def _completed(axes: Axes, shape: torch.Size, n_rows: int) -> Axes | None:
    """With a batch and queries, where sizes do not show which axis they are."""
    outer = list(axes.outer)
    sizes = [size for axis, size in enumerate(shape) if axis != axes.key]
    every = "".join(outer)
    if BATCH not in every and n_rows == 1:  # texts one after the other, or one for all of them
        single = next((i for i, size in enumerate(sizes) if size == 1 and outer[i] == HEAD), None)
        if single is not None:
            outer[single] = BATCH
    elif BATCH not in every:
        return None
    # Of a fixed number of queries and of heads the order says nothing: queries are the last.
    if QUERY not in every and outer[-1] == HEAD:
        outer[-1] = QUERY
    folded_heads = [letters for letters in outer if len(letters) > 1 and HEAD in letters]
    every = "".join(outer)
    if every.count(BATCH) > 1 or every.count(QUERY) > 1 or len(folded_heads) > 1:
        return None
    return replace(axes, outer=tuple(outer))


@dataclass(frozen=True)
class WeightsView:
    """How one attention's weights are laid out in a batch."""

    own: torch.Size
    """The model's own shape."""
    split: torch.Size
    """The same with every axis in its parts."""
    order: tuple[int, ...]
    """Axes of `split`: batch, heads, query, key, as far as there are axes of them."""
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
        own, key = weights.shape, axis % weights.dim()
        axes = axes or Axes.guessed(own, key, n_batch)
        if axes is None or axes.key != key or len(axes.outer) != len(own) - 1:
            return None
        letters = [*axes.outer[:key], KEY, *axes.outer[key:]]
        split: list[int] = []
        for size, folded in zip(own, letters, strict=True):
            parts = {BATCH: n_batch, HEAD: axes.n_folded_heads} if len(folded) > 1 else {}
            known = prod(parts.get(letter, 1) for letter in folded)
            split += [parts.get(letter, size // known) for letter in folded]
        every = "".join(letters)
        shape = dict.fromkeys(_ORDER, 1)
        for letter, size in zip(every, split, strict=True):
            shape[letter] *= size
        if prod(shape.values()) != weights.numel() or shape[BATCH] != n_batch:
            return None
        order = sorted(range(len(every)), key=lambda i: _ORDER.index(every[i]))
        batch, head, query, n_keys = shape.values()
        return WeightsView(own, torch.Size(split), tuple(order), (batch, head, query, n_keys))

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
