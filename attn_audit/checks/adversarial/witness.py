"""What an adversary finds for the examples of a batch."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor


@dataclass(frozen=True)
class Witness:
    """Adversarial weights and their divergence from the model's own."""

    attention: Float64[Tensor, "batch row unit"]
    """Weights whose output is within epsilon; rows sum to 1, padding is 0."""
    jsd: Float64[Tensor, " batch"]
    """Divergence of the explanation from the model's own, nats, 0 to ln 2."""

    def where(self, keep: Tensor, other: "Witness") -> "Witness":
        """This witness where `keep` is True, the other elsewhere."""
        return Witness(
            attention=torch.where(keep[:, None, None], self.attention, other.attention),
            jsd=torch.where(keep, self.jsd, other.jsd),
        )

    def at_least(self, other: "Witness") -> "Witness":
        """The witness of the larger divergence; ties stay with this one."""
        return self.where(self.jsd >= other.jsd, other)
