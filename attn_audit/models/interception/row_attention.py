"""The last attention at the one row that is read out, and its keys and values never made.

A query meets keys W x_j: it may meet the x_j themselves, as W^T q, and so many fewer products are
needed for one query than for all keys; what its weights then mix are again the x_j, of which one
value is made for each head. Where queries, keys and values are the outputs of linear layers as they
are, these layers are not run.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from attn_audit.models.interception.attention_point import AttentionPoint
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.mode import Interception, Sight
from attn_audit.models.interception.module_calls import (
    CallKey,
    UnknownLayoutError,
    replaced_forwards,
)

ROLES = 3
"""Query, key and value."""


@dataclass(frozen=True)
class Projection:
    """A linear layer whose output, as it is, an attention takes."""

    layer: nn.Linear
    key: CallKey
    """Which of its calls."""
    features: Int[Tensor, "head feature"]
    """Of its outputs those of each head."""

    @property
    def weights(self) -> Float[Tensor, "head feature input"]:
        """Head by head."""
        return self.layer.weight[self.features]

    def apply(self, states: Float[Tensor, "head batch input"]) -> Float[Tensor, "head batch _"]:
        """Of one state for each head."""
        out = states @ self.weights.transpose(1, 2)
        return out if self.layer.bias is None else out + self.layer.bias[self.features].unsqueeze(1)


Projections = tuple[Projection, Projection, Projection]
"""Of queries, keys and values."""


@torch.no_grad()
def projections_of(
    classifier: Classifier, point: AttentionPoint, sight: Sight, inputs: ModelInputs
) -> Projections:
    """Find the layers that make an attention's queries, keys and values.

    Raises:
        UnknownLayoutError: They are not the outputs of three linear layers.
    """
    assert point.script is not None
    layers = [
        (step.module, step.key)
        for step in point.script.steps
        if step.axes is not None and type(step.module) is nn.Linear
    ]
    made: dict[int, tuple[Tensor, nn.Linear, CallKey]] = {}
    found: list[Projection] = []

    def product(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        found.extend(_behind(made, role) for role in (query, key, value))
        return F.scaled_dot_product_attention(query, key, value, *args, **kwargs)

    def keep(layer: nn.Linear, key: CallKey, given: Tensor) -> Tensor:
        out = F.linear(given, layer.weight, layer.bias)
        made[out.untyped_storage().data_ptr()] = out, layer, key
        return out

    mode = Interception(
        len(inputs), lambda *seen: None, wanted=[point.number], sight=sight, product=product
    )
    with _replaced(layers, keep), mode.active():
        classifier.logits(inputs)
    if len(found) != ROLES or len({p.features.shape for p in found}) > 1:
        raise UnknownLayoutError
    query, key, value = found
    return query, key, value


def _behind(made: Mapping[int, tuple[Tensor, nn.Linear, CallKey]], role: Tensor) -> Projection:
    """The layer of which an attention's argument is a view."""
    out, layer, key = made.get(role.untyped_storage().data_ptr(), (None, None, None))
    if out is None or layer is None or key is None or role.dim() != out.dim() + 1 or out.dim() != 3:
        raise UnknownLayoutError
    batch, n_heads, n_positions, n_features = role.shape
    is_view = role.stride()[:3:2] == out.stride()[:2] and role.storage_offset() == 0
    if not is_view or (batch, n_positions, n_heads * n_features) != out.shape:
        raise UnknownLayoutError
    numbers = torch.arange(out.shape[2], device=out.device)
    strides = role.stride()[1], role.stride()[3]
    return Projection(layer, key, numbers.as_strided((n_heads, n_features), strides))


@dataclass
class RowAttention:
    """What stands in for the product: what it gives in the row that is read, in every row."""

    positions: Int[Tensor, " batch"]
    """The row of each text."""
    projections: Projections | None
    """Those that are not run; None: all are."""
    _states: dict[CallKey, Tensor] = field(default_factory=dict)

    @contextmanager
    def without_projections(self) -> Iterator[None]:
        """Within: what they would get is kept, and they give nothing."""
        layers = [(p.layer, p.key) for p in self.projections or ()]
        with _replaced(layers, self._keep):
            yield

    def _keep(self, layer: nn.Linear, key: CallKey, given: Tensor) -> Tensor:
        self._states[key] = given
        # Whatever else reads them shows: no number is made of these.
        return given.new_full((), torch.nan).expand(*given.shape[:-1], layer.out_features)

    def product(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **others: Any,
    ) -> Tensor:
        """In place of `torch.nn.functional.scaled_dot_product_attention`.

        Raises:
            UnknownLayoutError: It is more than a product of what the projections give.
        """
        n_keys, at = key.shape[-2], self.positions
        if is_causal:
            attn_mask = torch.arange(n_keys, device=at.device) <= at.unsqueeze(1)
            attn_mask = attn_mask.reshape(len(at), *[1] * (query.dim() - 2), n_keys)
        elif attn_mask is not None:
            attn_mask = self._row(attn_mask.broadcast_to(*query.shape[:-1], n_keys))
        if self.projections is None:
            of_row = F.scaled_dot_product_attention(
                self._row(query), key, value, attn_mask, dropout_p, **others
            )
        else:
            if dropout_p or others.get("enable_gqa"):
                raise UnknownLayoutError
            scale = others.get("scale")
            of_row = self._unprojected(
                attn_mask, query.shape[-1] ** -0.5 if scale is None else scale
            )
        return of_row.expand(*query.shape[:-1], -1)

    def _row(self, tensor: Shaped[Tensor, "batch *head query _"]) -> Tensor:
        """The one that is read, of each text."""
        rows = torch.arange(len(self.positions), device=tensor.device)
        return tensor.transpose(1, -2)[rows, self.positions].unsqueeze(-2)

    def _unprojected(self, mask: Tensor | None, scale: float) -> Float[Tensor, "batch head 1 _"]:
        assert self.projections is not None
        query, key, value = self.projections
        states = self._states[key.key]
        if self._states[value.key] is not states:
            raise UnknownLayoutError
        read = self._row(self._states[query.key]).squeeze(-2)
        queries = query.apply(read.expand(len(query.features), -1, -1))
        # A key's bias adds the same to all scores of a query.
        asking = (queries @ key.weights).transpose(0, 1)
        scores = (asking @ states.transpose(1, 2) * scale).unsqueeze(2)
        if mask is not None and mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        elif mask is not None:
            scores = scores + mask
        mixed = scores.softmax(-1).squeeze(2) @ states
        return value.apply(mixed.transpose(0, 1)).transpose(0, 1).unsqueeze(2)


@contextmanager
def _replaced(
    layers: list[tuple[nn.Linear, CallKey]],
    instead: Callable[[nn.Linear, CallKey, Tensor], Tensor],
) -> Iterator[None]:
    """Within: something else is computed in some calls of some layers."""
    keys = {key for _, key in layers}
    modules = {id(layer): layer for layer, _ in layers}
    n_calls = dict.fromkeys(modules, 0)

    def patched(layer: nn.Linear, forward: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
        def call(given: Tensor) -> Tensor:
            key = id(layer), n_calls[id(layer)]
            n_calls[id(layer)] += 1
            return instead(layer, key, given) if key in keys else forward(given)

        return call

    with replaced_forwards(modules.values(), patched):
        yield
