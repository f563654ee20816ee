"""Between keys, which a model attends to, and units, which people are shown."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs
from attn_audit.models.interception.geometry import KeyOrder


@dataclass(frozen=True)
class UnitKeys:
    """Which unit each key of an attention belongs to."""

    unit: Int[Tensor, "batch key"]
    """0 where the key is not audited."""
    is_audited: Bool[Tensor, "batch key"]
    n_units: int

    @staticmethod
    def of(inputs: ModelInputs, order: KeyOrder, n_keys: int, n_units: int) -> "UnitKeys":
        """The units of an attention's keys.

        Args:
            inputs: The batch.
            order: Which position each key stands for.
            n_keys: How many keys; one that stands for none is a sink, or a marker of the module's.
            n_units: Of the longest example.
        """
        units = order.of_keys(inputs.units, inputs.real, n_keys)
        return UnitKeys(units.clamp_min(0), units != NOT_AUDITED, n_units)

    @cached_property
    def are_units(self) -> bool:
        """Whether each key is a unit, in the units' order, wherever it is audited."""
        keys = torch.arange(self.unit.shape[1], device=self.unit.device)
        in_place = (self.unit == keys) | ~self.is_audited
        return self.n_units == self.unit.shape[1] and bool(in_place.all())

    def total(self, weights: Float[Tensor, "batch row key"]) -> Float[Tensor, "batch row unit"]:
        """The weight of each unit: the sum over its keys."""
        audited = weights * self.is_audited.unsqueeze(1)
        if self.are_units:
            return audited
        out = weights.new_zeros(*weights.shape[:2], self.n_units)
        return out.scatter_add(2, self.unit.unsqueeze(1).expand_as(weights), audited)

    def any(self, mask: Bool[Tensor, "batch row key"]) -> Bool[Tensor, "batch row unit"]:
        """Whether any key of a unit is marked."""
        return self.total(mask.float()) > 0

    def of_keys(
        self, values: Float[Tensor, "batch *variant row unit"]
    ) -> Float[Tensor, "batch *variant row key"]:
        """For each key the value of its unit."""
        middle = (1,) * (values.dim() - 2)
        index = self.unit.reshape(len(self.unit), *middle, -1)
        return values.gather(-1, index.expand(*values.shape[:-1], -1))
