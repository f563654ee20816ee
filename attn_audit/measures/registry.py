"""What computes each importance measure, and what they say about one batch."""

from functools import cached_property

from jaxtyping import Float64
from torch import Tensor

from attn_audit.findings import registry
from attn_audit.findings.measure import GRADIENT, LEAVE_ONE_OUT, Measure
from attn_audit.measures.base import Importance
from attn_audit.measures.gradient import gradient_importance, gradients
from attn_audit.measures.leave_one_out import LeftOut, leave_one_out_importance, leave_out
from attn_audit.models.contract import AuditedModel, Batch
from attn_audit.models.margin import Margin

IMPORTANCES: dict[str, Importance] = {
    GRADIENT.name: gradient_importance,
    LEAVE_ONE_OUT.name: leave_one_out_importance,
}
"""By the names of the measures."""


def register_measure(measure: Measure, importance: Importance) -> None:
    """Compare attention with a measure of one's own, too, until the process ends.

    Args:
        measure: What it is called, and how its numbers are read.
        importance: Gives each unit of a batch a number, at least 0, in float64; padding is 0.

    Raises:
        ValueError: There is a measure or a field of that name already.
    """
    registry.add(measure)
    IMPORTANCES[measure.name] = importance


class Importances:
    """The importance of a batch's units, measured once however many sites are compared with it."""

    def __init__(self, model: AuditedModel, batch: Batch, margin: Margin) -> None:
        """Nothing is measured yet."""
        self._model = model
        self._batch = batch
        self._margin = margin
        self._values: dict[str, Tensor] = {}

    @cached_property
    def gradients(self) -> Float64[Tensor, "batch unit 2"]:
        """Of each unit without and with its sign."""
        return gradients(self._model, self._batch)

    @cached_property
    def left_out(self) -> LeftOut:
        """What each unit does to the output by not being there."""
        return leave_out(self._model, self._batch, self._margin)

    def __getitem__(self, measure: str) -> Float64[Tensor, "batch unit"]:
        if measure == LEAVE_ONE_OUT.name:
            return self.left_out.distance
        if measure == GRADIENT.name:
            return self.gradients[..., 0]
        if measure not in self._values:
            self._values[measure] = IMPORTANCES[measure](self._model, self._batch)
        return self._values[measure]
