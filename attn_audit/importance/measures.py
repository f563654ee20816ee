"""The importance measures by name, and what they say about one batch."""

from jaxtyping import Float64
from torch import Tensor

from attn_audit.importance.gradient import gradient_importance
from attn_audit.importance.leave_one_out import leave_one_out_importance
from attn_audit.models.base import AuditedModel, Batch

MEASURES = {"gradient": gradient_importance, "leave_one_out": leave_one_out_importance}
"""The importance measures that attention is compared with, by name."""


def passes_of_measure(name: str, n_units: int) -> int:
    """Outputs that a measure has a model compute of an example of so many units."""
    return n_units + 1 if name == "leave_one_out" else 1


class Importances:
    """The importance of a batch's units, measured once however many sites are compared with it."""

    def __init__(self, model: AuditedModel, batch: Batch) -> None:
        """Nothing is measured yet.

        Args:
            model: The model.
            batch: Examples of one batch.
        """
        self._model = model
        self._batch = batch
        self._values: dict[str, Tensor] = {}

    def __getitem__(self, measure: str) -> Float64[Tensor, "batch unit"]:
        if measure not in self._values:
            self._values[measure] = MEASURES[measure](self._model, self._batch)
        return self._values[measure]
