"""A batch of examples as a module's inputs."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.models.base import Batch
from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs


@dataclass(frozen=True)
class InterceptedBatch(Batch):
    """Padded inputs, and what of them is audited."""

    inputs: ModelInputs
    allowed: Bool[Tensor, "batch label"] | None
    """The labels that each example allows; None where all do."""
    readout_units: Int[Tensor, " batch"]
    """The unit that holds the token which is read out, or NOT_AUDITED."""

    def sum_over_units(self, values: Float[Tensor, "batch token"]) -> Float[Tensor, "batch unit"]:
        """Add up the values of each unit's positions."""
        units = self.inputs.units
        out = torch.zeros(self.unit_mask.shape, dtype=values.dtype, device=values.device)
        return out.scatter_add(1, units.clamp_min(0), values * (units != NOT_AUDITED))
