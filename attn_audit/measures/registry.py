"""What computes each importance measure, and what they say about one batch."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from math import nan

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.errors import ConfigurationError
from attn_audit.findings import measure as rows
from attn_audit.findings import registry
from attn_audit.findings.measure import GRADIENT, HEAD_MIX, LEAVE_ONE_OUT, Measure
from attn_audit.measures.attention_gradient import attention_gradient
from attn_audit.measures.base import Computation, Importance, timed
from attn_audit.measures.gradient import gradients
from attn_audit.measures.gradient_x_input import gradient_x_input
from attn_audit.measures.head_mix import Mixes, head_mix
from attn_audit.measures.integrated_gradients import integrated_gradients
from attn_audit.measures.leave_one_out import LeaveOneOut, leave_out
from attn_audit.measures.readout import attention_all_layers, rollout
from attn_audit.measures.value_zeroing import value_zeroing
from attn_audit.models.contract import AuditedModel, Batch
from attn_audit.models.margin import Margin


def _not_several(n_attentions: int, model: AuditedModel) -> str | None:
    if n_attentions == 1:
        return "it has one attention, which is the audited one"
    return model.not_whole_because


def _no_gradient(model: AuditedModel) -> str | None:
    return model.no_gradient_because


COMPUTATIONS: dict[str, Computation] = {
    GRADIENT.name: Computation(lambda model, batch: gradients(model, batch)[..., 1], _no_gradient),
    LEAVE_ONE_OUT.name: Computation(lambda model, batch: leave_out(model, batch).lost),
    rows.ATTENTION_ALL_LAYERS.name: Computation(
        attention_all_layers, lambda model: _not_several(len(model.layers), model)
    ),
    rows.ROLLOUT.name: Computation(rollout, lambda model: model.not_whole_because),
    rows.ATTENTION_GRADIENT.name: Computation(
        attention_gradient, lambda model: model.no_attention_because
    ),
    rows.GRADIENT_X_INPUT.name: Computation(gradient_x_input, _no_gradient),
    rows.INTEGRATED_GRADIENTS.name: Computation(integrated_gradients, _no_gradient),
    rows.VALUE_ZEROING.name: Computation(value_zeroing, lambda model: model.no_states_because),
    HEAD_MIX.name: Computation(
        lambda model, batch: head_mix(None, model, batch)[..., 0],
        lambda model: _not_several(sum(layer.n_heads for layer in model.layers), model),
    ),
}
"""By the names of the measures that a model has."""


def computation(name: str) -> Computation:
    """What computes a measure; scores that come with the data are read from there."""
    field = rows.measure(name).shown
    return COMPUTATIONS[name] if field is None else Computation(partial(scores_of, field))


def register_measure(measure: Measure, importance: Importance) -> None:
    """Compare attention with a measure of one's own, too, until the process ends.

    Args:
        importance: Gives each unit of a batch a number in float64, at least 0 unless the measure is
            signed; padding is 0.

    Raises:
        ValueError: There is a measure or a field of that name already.
    """
    registry.add(measure)
    COMPUTATIONS[measure.name] = Computation(importance)


def applicable(model: AuditedModel) -> tuple[str, ...]:
    """The measures that a model has scores by, in the order in which they are reported."""
    own = (measure for measure in registry.measures() if measure.shown is None)
    return tuple(m.name for m in own if COMPUTATIONS[m.name].why_not(model) is None)


def require_applicable(names: Sequence[str], model: AuditedModel) -> None:
    """Refuse measures that a model has no scores by.

    Raises:
        ConfigurationError: One of them does not apply.
    """
    for name in names:
        why_not = computation(name).why_not(model)
        if why_not is not None:
            raise ConfigurationError(
                f"--measures {name} does not apply to this model: {why_not}",
                hint=f"Those that do: {', '.join(applicable(model))}.",
            )


class Importances:
    """The importance of a batch's units, measured once however many sites are compared with it."""

    def __init__(
        self, model: AuditedModel, batch: Batch, margin: Margin, mixes: Mixes | None = None
    ) -> None:
        self.mixes = mixes
        self._model = model
        self._batch = batch
        self._margin = margin
        self._scores: dict[str, Tensor] = {}

    @cached_property
    def gradients(self) -> Float64[Tensor, "batch unit 2"]:
        """Of each unit without and with its sign."""
        with self._counted(GRADIENT):
            return gradients(self._model, self._batch)

    @cached_property
    def left_out(self) -> LeaveOneOut:
        """What each unit does to the output by not being there."""
        with self._counted(LEAVE_ONE_OUT):
            return leave_out(self._model, self._batch, self._margin)

    @cached_property
    def mixed(self) -> Float64[Tensor, "batch unit 2"]:
        """By the mix of heads, and by one that was fitted to permuted effects."""
        if self.mixes is None:
            return head_mix(None, self._model, self._batch)
        with self._counted(HEAD_MIX):
            return head_mix(self.mixes, self._model, self._batch)

    def _counted(self, measure: Measure) -> AbstractContextManager[None]:
        return timed(measure.name, self._batch.encoded, measure.passes, self._model.device)

    def scores(self, measure: str) -> Float64[Tensor, "batch unit"]:
        """What ranks the units, with its sign where the measure has one.

        Of leaving one out it is the share of the margin that is lost: NaN where there is none.
        """
        if measure == LEAVE_ONE_OUT.name:
            return self.left_out.lost
        if measure == GRADIENT.name:
            return self.gradients[..., 1]
        if measure == HEAD_MIX.name:
            return self.mixed[..., 0]
        if measure not in self._scores:
            with self._counted(rows.measure(measure)):
                self._scores[measure] = computation(measure).scores(self._model, self._batch)
        return self._scores[measure]

    def __getitem__(self, measure: str) -> Float64[Tensor, "batch unit"]:
        """The size of importance, as it is correlated with attention."""
        if measure == LEAVE_ONE_OUT.name:
            return self.left_out.distance
        if measure == GRADIENT.name:
            return self.gradients[..., 0]
        return self.scores(measure).abs()


def scores_of(field: str, model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    """Those of each unit as a field of the data has them; NaN of a text that came without."""
    found = torch.zeros(batch.unit_mask.shape, dtype=torch.float64)
    for row, item in zip(found, batch.encoded, strict=True):
        scores = item.example.shown.get(field)
        spans = [(unit.start, unit.end) for unit in item.units]
        own = [nan] * len(spans) if scores is None else scores.of_units(spans)
        row[: len(spans)] = torch.tensor(own, dtype=torch.float64)
    return found.to(batch.unit_mask.device)
