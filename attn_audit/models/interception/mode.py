"""One TorchFunctionMode that sees every attention that a model computes, in call order.

No registration, no code for any one architecture, no change to the user's model: while the mode is
active, each softmax and each scaled_dot_product_attention that the model calls passes through here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from attn_audit.models.interception.attention import write_out
from attn_audit.models.interception.torch_private import inner_multi_head_attention
from attn_audit.models.interception.views import Axes, WeightsView

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


class Interception(TorchFunctionMode):
    """While active, calls `visit` at the wanted attentions, and `look_up` at a table's look-ups."""

    def __init__(
        self,
        n_batch: int,
        visit: Visit,
        *,
        wanted: Sequence[int] | None = None,
        sight: Sight | None = None,
        on_attention: Callable[[], None] | None = None,
        on_weights: Callable[[int, torch.Size, int], None] | None = None,
        table: Tensor | None = None,
        look_up: LookUp | None = None,
    ) -> None:
        """Prepare; the mode is entered with `with`.

        Args:
            n_batch: Rows of the batch that the model is called on.
            visit: Called at every wanted attention.
            wanted: Numbers of attentions in call order; None for all. Others run on the model's
                own kernel.
            sight: How they are seen; None: every softmax, laid out as its shape suggests.
            on_attention: Called at every attention, wanted or not, before it is visited.
            on_weights: Called with number, shape and axis of the weights at every wanted attention,
                whatever its layout.
            table: Weights whose look-ups are of interest.
            look_up: Called at each of them.
        """
        super().__init__()
        self._n_batch = n_batch
        self._visit = visit
        self._wanted = None if wanted is None else frozenset(wanted)
        self._sight = sight or Sight()
        self._on_attention = on_attention
        self._on_weights = on_weights
        self._table = table
        self._look_up = look_up
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
        if self._look_up is not None and func is F.embedding:
            ids, table = _named(("input", "weight"), args, kwargs)
            return self._look_up(ids, out) if table is self._table else out
        if self._look_up is not None and func is F.embedding_bag:
            ids, table = _named(("input", "weight"), args, kwargs)
            return self._look_up(ids[:0], out) if table is self._table else out
        return out

    def _is_wanted(self) -> bool:
        """Count an attention, and say whether it is to be visited."""
        number, self.n_seen = self.n_seen, self.n_seen + 1
        if self._on_attention is not None:
            self._on_attention()
        return self._wanted is None or number in self._wanted

    def _product(self, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not self._is_wanted():
            return F.scaled_dot_product_attention(query, key, value, *args, **kwargs)
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
        if self._sight.output_of is None:
            with self:
                yield
            return
        handle = self._sight.output_of.register_forward_hook(self._output)
        try:
            with self:
                yield
        finally:
            handle.remove()

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
    """Two leading arguments, given by position or by name."""
    return [args[i] if i < len(args) else kwargs.get(name) for i, name in enumerate(names)]
