"""One TorchFunctionMode that sees every attention that a model computes, in call order.

Whatever their shape, weights are seen as (batch, head, query, key).

No registration, no code for any one architecture, no change to the user's model: while the mode is
active, each softmax and each scaled_dot_product_attention that the model calls passes through here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import permutations, product
from math import prod
from types import FunctionType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from attn_audit.errors import AuditFailedError

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
        """The model's own layout."""
        ordered = weights.reshape([self.split[axis] for axis in self.order])
        back = sorted(range(len(self.order)), key=self.order.__getitem__)
        return ordered.permute(back).reshape(self.own).contiguous()


class ExplicitAttention(NamedTuple):
    """What the product hides: (batch, head, query, key) weights and scores, and the values."""

    weights: Tensor
    scores: Tensor
    """Masked: the least number of the type where a query may not attend."""
    values: Tensor
    """With a head for each head of the weights."""


def write_out(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> ExplicitAttention:
    """Compute `scaled_dot_product_attention` up to the product of weights and values.

    The arguments are those of `torch.nn.functional.scaled_dot_product_attention`.

    Raises:
        AuditFailedError: The model applies dropout although it is in eval mode.
    """
    if dropout_p:
        raise AuditFailedError(
            f"the model applies dropout ({dropout_p}) to its attention in eval mode",
            hint="Pass dropout_p=0.0 to scaled_dot_product_attention where self.training is false.",
        )
    if key.shape[-3:-2] != query.shape[-3:-2]:  # grouped queries share keys and values
        n_shared = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(n_shared, dim=-3) for x in (key, value))
    scores = (query @ key.transpose(-2, -1)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    # As the libraries' own masks: the least number, never -inf, so that no row becomes NaN.
    low = torch.finfo(scores.dtype).min
    if is_causal:
        past = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~past, low)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, low)
    elif attn_mask is not None:
        scores = scores + attn_mask.clamp_min(low)
    weights = scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))
    if attn_mask is not None:
        # As torch: a row that may attend to nothing attends to nothing, not to all alike.
        is_masked = ~attn_mask if attn_mask.dtype == torch.bool else attn_mask == -torch.inf
        weights = weights.masked_fill(is_masked.all(-1, keepdim=True), 0)
    return ExplicitAttention(weights.to(value.dtype), scores, value)


Visit = Callable[[int, Tensor, Tensor | None], Tensor | None]
"""Called with the number of the attention in call order, its weights (batch head query key), and
its scores before the softmax where there are any; what it returns, if anything, replaces the
weights."""

LookUp = Callable[[Tensor, Tensor], Tensor]
"""Called with the ids and the embeddings that were looked up; returns what the model gets."""

MAX_DEVIATION = 1e-2
"""Of a sum of weights from 1 that may be rounding, in half precision too."""

_SOFTMAX = {F.softmax, torch.softmax, torch.special.softmax, Tensor.softmax}


@dataclass(frozen=True)
class Sight:
    """How a model's attentions are seen."""

    output_of: nn.Module | None = None
    """A module whose output is attention: numbered with the others."""
    axes: Mapping[int, Axes] = field(default_factory=dict)
    """How the weights of some are laid out, by number, where a trial found it."""
    is_tried: bool = False
    """Whether a trial was made: then nothing is guessed from a shape."""


ASKS = "has_torch_function"
"""What `F.multi_head_attention_forward` asks whether a mode is active."""


def inner_multi_head_attention() -> Callable[..., Any]:
    """`F.multi_head_attention_forward` as a mode must run it.

    The original hands itself to the mode as a whole, so that its inside is never seen; this copy
    does not ask whether a mode is active.
    """
    original = F.multi_head_attention_forward
    assert isinstance(original, FunctionType)
    assert ASKS in original.__globals__
    names = {**original.__globals__, ASKS: lambda arguments: False}
    copy = FunctionType(original.__code__, names, original.__name__, original.__defaults__)
    copy.__kwdefaults__ = original.__kwdefaults__
    return copy


class Interception(TorchFunctionMode):
    """While active, calls `visit` at the wanted attentions, and `look_up` at a table's look-ups."""

    def __init__(
        self,
        n_batch: int,
        visit: Visit,
        *,
        wanted: Sequence[int] | None = None,
        sight: Sight | None = None,
        on_weights: Callable[[int, torch.Size, int], None] | None = None,
        table: Tensor | None = None,
        look_up: LookUp | None = None,
        product: Callable[..., Tensor] | None = None,
    ) -> None:
        """Prepare; the mode is entered with `with`.

        Args:
            wanted: Numbers of attentions in call order; None for all. Others run on the model's
                own kernel.
            sight: How they are seen; None: every softmax, laid out as its shape suggests.
            on_weights: Called with number, shape and axis of the weights at every wanted attention,
                whatever its layout, before it is visited.
            product: Called in place of every wanted `scaled_dot_product_attention`, which is then
                not visited.
        """
        super().__init__()
        self._n_batch = n_batch
        self._visit = visit
        self._wanted = None if wanted is None else frozenset(wanted)
        self._sight = sight or Sight()
        self._on_weights = on_weights
        self._table = table
        self._look_up = look_up
        self._in_place_of_product = product
        self.n_seen = 0
        """Softmaxes so far, wanted or not."""
        self.n_flat = 0
        """Softmaxes so far of tensors with one axis, which have no batch."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """See one call of torch."""
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return self._product(*args, **kwargs)
        if func is F.multi_head_attention_forward:
            with self:
                return inner_multi_head_attention()(*args, **kwargs)
        out = func(*args, **kwargs)
        if func in _SOFTMAX:
            return self._softmax(out, *args, **kwargs)
        if self._look_up is not None and func in (F.embedding, F.embedding_bag):
            ids, table = _named(("input", "weight"), args, kwargs)
            if table is self._table:
                return self._look_up(ids if func is F.embedding else ids[:0], out)
        return out

    def _is_wanted(self) -> bool:
        """Count an attention, and say whether it is to be visited."""
        number, self.n_seen = self.n_seen, self.n_seen + 1
        return self._wanted is None or number in self._wanted

    def _product(self, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not self._is_wanted():
            return F.scaled_dot_product_attention(query, key, value, *args, **kwargs)
        if self._in_place_of_product is not None:
            return self._in_place_of_product(query, key, value, *args, **kwargs)
        written = write_out(query, key, value, *args, **kwargs)
        return self._replaced(written.weights, written.scores, -1) @ written.values

    def _softmax(self, out: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if out.dim() < 2:
            self.n_flat += out.dim()
            return out
        if not self._is_wanted():
            return out
        scores, axis = _named(("input", "dim"), args, kwargs)
        return self._replaced(out, scores, axis)

    def _replaced(self, weights: Tensor, scores: Tensor | None, axis: int) -> Tensor:
        number = self.n_seen - 1
        if self._on_weights is not None:
            self._on_weights(number, weights.shape, axis % weights.dim())
        axes = self._sight.axes.get(number)
        if self._sight.is_tried and axes is None:
            return weights
        key = axis if axes is None else axes.key  # of a module's output it is but a guess
        view = WeightsView.of(weights, key, self._n_batch, axes)
        if view is None:
            return weights
        seen = None if scores is None else view.open(scores)
        new = self._visit(number, view.open(weights), seen)
        return weights if new is None else view.close(new.to(weights.dtype))

    @contextmanager
    def active(self) -> Iterator[None]:
        """The mode itself, with a hook on the module whose output is attention."""
        module = self._sight.output_of
        hook = nullcontext() if module is None else module.register_forward_hook(self._output)
        with hook, self:
            yield

    def _output(self, module: nn.Module, args: object, out: Any) -> Any:
        if isinstance(out, tuple | list):  # (output, weights), or the other way round
            place = next((i for i, part in enumerate(out) if _is_weights(part)), None)
            if place is None or not self._is_wanted():
                return out
            new = self._replaced(out[place], None, _axis_of_weights(out[place]))
            parts = (*out[:place], new, *out[place + 1 :])
            return type(out)(*parts) if hasattr(out, "_fields") else type(out)(parts)
        if not isinstance(out, Tensor) or not self._is_wanted():
            return out
        return self._replaced(out, None, _axis_of_weights(out))


def _axis_of_weights(out: Tensor) -> int:
    """The last axis along which it sums to 1."""
    for axis in range(-1, -out.dim(), -1):
        if bool(((out.detach().sum(axis) - 1).abs() < MAX_DEVIATION).all()):
            return axis
    return -1


def _is_weights(part: object) -> bool:
    if not isinstance(part, Tensor) or not part.is_floating_point() or part.dim() < 2:
        return False
    sums = part.detach().sum(_axis_of_weights(part))
    return bool((part >= 0).all()) and bool(((sums - 1).abs() < MAX_DEVIATION).all())


def _named(names: tuple[str, str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [args[i] if i < len(args) else kwargs.get(name) for i, name in enumerate(names)]
