"""Passes that spare what is known already, and what nothing reads.

Before the first attention a position is computed from its own token and its place alone: where a
text without some tokens keeps both, its first queries, keys and values are those of the whole text.
Behind the last, only the row that is read out counts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from attn_audit.distances import Logits
from attn_audit.models.interception.attention_calls import Interception
from attn_audit.models.interception.attention_point import AttentionPoint
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.module_calls import (
    BatchAxis,
    CallKey,
    ModelMayFail,
    Script,
    Step,
    UnexpectedCallError,
    UnknownLayoutError,
    kept_outputs,
    replaced_forwards,
)
from attn_audit.models.interception.readout import ONE_ROW, rows_by_rule
from attn_audit.models.interception.replay import handed_on, handed_out, only
from attn_audit.models.interception.survey import Survey


@dataclass(frozen=True)
class Start:
    """What the calls before the first attention returned for whole texts."""

    script: Script
    outputs: Mapping[CallKey, Any]
    shape: torch.Size
    """Of the batch of them: texts and positions."""

    @staticmethod
    @torch.no_grad()
    def of(classifier: Classifier, point: AttentionPoint, inputs: ModelInputs) -> "Start":
        """Run whole texts up to the first attention.

        Raises:
            UnknownLayoutError: The calls before it cannot be skipped.
        """
        script, follower = point.script, point.follower
        if point.number or script is None or follower is None:
            raise UnknownLayoutError
        with kept_outputs(script.finished) as outputs, handed_out(follower):
            classifier.logits(inputs)
        return Start(script, outputs, inputs.units.shape)


@dataclass(frozen=True)
class Origin:
    """Where the positions of shorter texts were, with the same tokens and at the same places."""

    start: Start
    rows: Int[Tensor, " row"]
    """The whole text that each is of."""
    positions: Int[Tensor, "row position"]
    """Any of it where there is padding."""

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Within: what lies before the first attention is taken from the whole texts.

        Raises:
            UnknownLayoutError: It is not laid out by text and position.
        """
        n_positions = self.start.shape[1]
        index = (self.rows.unsqueeze(1) * n_positions + self.positions).flatten()

        def stand_in(step: Step) -> Any:
            n_taken = 0

            def take(tensor: Tensor, axis: BatchAxis) -> Tensor:
                nonlocal n_taken
                if tensor.shape[:2] != self.start.shape:
                    raise UnknownLayoutError
                n_taken += 1
                taken = tensor.flatten(0, 1).index_select(0, index)
                return taken.reshape(*self.positions.shape, *tensor.shape[2:])

            output = step.output(self.start.outputs, take)
            return output if n_taken else NotImplemented

        with self.start.script.followed(stand_in):
            yield


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
def projections_of(found: Survey, inputs: ModelInputs) -> Projections:
    """Find the layers that make the last attention's queries, keys and values.

    Raises:
        UnknownLayoutError: They are not the outputs of three linear layers.
    """
    assert found.last.script is not None
    layers = [
        (step.module, step.key)
        for step in found.last.script.steps
        if step.axes is not None and type(step.module) is nn.Linear
    ]
    made: dict[int, tuple[Tensor, nn.Linear, CallKey]] = {}
    takes: list[Projection] = []

    def product(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        takes.extend(_projection(made, role) for role in (query, key, value))
        return F.scaled_dot_product_attention(query, key, value, *args, **kwargs)

    def keep(layer: nn.Linear, key: CallKey, given: Tensor) -> Tensor:
        out = F.linear(given, layer.weight, layer.bias)
        made[out.untyped_storage().data_ptr()] = out, layer, key
        return out

    mode = Interception(
        len(inputs),
        lambda *seen: None,
        wanted=[found.last.number],
        sight=found.sight,
        product=product,
    )
    with _computed_instead(layers, keep), mode.active():
        found.classifier.logits(inputs)
    if len(takes) != ROLES or len({p.features.shape for p in takes}) > 1:
        raise UnknownLayoutError
    query, key, value = takes
    return query, key, value


def _projection(made: Mapping[int, tuple[Tensor, nn.Linear, CallKey]], role: Tensor) -> Projection:
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
        with _computed_instead(layers, self._keep):
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
def _computed_instead(
    layers: list[tuple[nn.Linear, CallKey]],
    instead: Callable[[nn.Linear, CallKey, Tensor], Tensor],
) -> Iterator[None]:
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


ROUNDING = 100
"""Spacings of the dtype that are rounding."""

MAX_ERROR = 1e-3
"""Of what the texts of a trial differ by: where rounding is coarser, a trial proves nothing."""


@dataclass(frozen=True)
class ReadoutPass:
    """Most of the last layer's arithmetic is spared: rows that nothing reads."""

    found: Survey
    projections: Projections | None = None
    """Of the last attention, where they need not be run."""

    def logits(self, inputs: ModelInputs) -> Logits:
        """What the module gives, or the module itself where it calls its parts as never before."""
        try:
            return self._logits(inputs)
        except (UnknownLayoutError, UnexpectedCallError):
            return self.found.classifier.logits(inputs)

    def _logits(self, inputs: ModelInputs) -> Logits:
        point = self.found.last
        script, follower = point.script, point.follower
        if script is None or follower is None or not point.is_square:
            raise UnknownLayoutError
        index, _ = rows_by_rule(self.found.rule, point.real_rows(inputs, inputs.n_positions))
        at = index[:, 0]
        row = RowAttention(at, self.projections)
        mode = Interception(
            len(inputs),
            lambda *seen: None,
            wanted=[point.number],
            sight=self.found.sight,
            product=row.product,
        )
        with (
            row.without_projections(),
            kept_outputs(script.finished) as outputs,
            handed_out(follower, lambda: mode.n_seen > point.number) as received,  # layers share it
            mode.active(),
        ):
            self.found.classifier.logits(inputs)
        mixtures = only(received, inputs)
        rows = torch.arange(len(inputs), device=at.device)
        mixture = mixtures[rows, at].unsqueeze(1)
        with handed_on(point, outputs, inputs, at, mixture):
            logits = self.found.classifier.logits(inputs.pick(at))
        if not bool(logits.isfinite().all()):  # something reads the projections that were not run
            raise UnknownLayoutError
        return logits

    @torch.no_grad()
    def proved(self, trial: Sequence[ModelInputs]) -> "ReadoutPass | None":
        """The cheapest one that gives what the whole module does, by a trial; None: there is none.

        Raises:
            MemoryError: There is not enough memory for the trial.
        """
        if self.found.rule not in ONE_ROW:
            return None
        whole = torch.cat([self.found.classifier.logits(inputs) for inputs in trial])
        for candidate in self._candidates(trial[0]):
            with ModelMayFail():  # where calls are skipped
                found = torch.cat([candidate._logits(inputs) for inputs in trial])
                if are_equal(found, whole):
                    return candidate
        return None

    def _candidates(self, inputs: ModelInputs) -> Iterator["ReadoutPass"]:
        with suppress(UnknownLayoutError):
            yield replace(self, projections=projections_of(self.found, inputs))
        yield self


def are_equal(found: Logits, expected: Logits) -> bool:
    """Whether logits are the same as far as rounding goes."""
    effect = float((expected.amax(dim=0) - expected.amin(dim=0)).max())
    spacing = torch.finfo(expected.dtype).eps * float(expected.abs().max())
    gap = float((found - expected).abs().max())
    return gap <= min(ROUNDING * spacing, MAX_ERROR * effect)
