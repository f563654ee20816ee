"""From the weights at one attention to a reading of its audited units, and back for a replay."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_audit.models.base import Mass, RowWeights
from attn_audit.models.interception.point import Reached
from attn_audit.models.interception.replay.imposing import VariantLogits, Way, Weights
from attn_audit.models.interception.units import UnitKeys

KeyWeights = Float[Tensor, "batch row key"]


@dataclass(frozen=True)
class Rows:
    """The rows of one site, head by head, over keys and over units."""

    reached: Reached
    head: int | None
    keys: UnitKeys
    weights: KeyWeights
    """Raw: over all keys."""
    admissible_keys: Bool[Tensor, "batch row key"]
    row_mask: Bool[Tensor, "batch row"]

    @staticmethod
    def of(
        reached: Reached,
        admissible: Bool[Tensor, "batch head query key"],
        head: int | None,
        n_units: int,
    ) -> "Rows":
        """The rows of one head, or of all.

        Args:
            reached: A pass.
            admissible: The keys that the rows may attend to.
            head: Its index; None for all.
            n_units: Of the longest example.
        """
        chosen = slice(None) if head is None else slice(head, head + 1)
        weights = reached.weights[:, chosen]
        n_heads = weights.shape[1]
        keys = UnitKeys.of(reached.inputs, reached.point.order, weights.shape[-1], n_units)
        mask = reached.row_mask.repeat(1, n_heads)
        # Rows of padding may be no numbers, where they attend to nothing.
        rows = weights.flatten(1, 2).masked_fill(~mask.unsqueeze(-1), 0)
        allowed = admissible[:, chosen].flatten(1, 2) & mask.unsqueeze(-1)
        return Rows(reached, head, keys, rows, allowed & keys.is_audited.unsqueeze(1), mask)

    @property
    def mass(self) -> Float[Tensor, "batch row"]:
        """The share of each row on the audited units; rounding makes none of it more than 1."""
        return (self.weights * self.keys.is_audited.unsqueeze(1)).sum(dim=-1).clamp_max(1)

    @property
    def rest(self) -> Float[Tensor, "batch row"]:
        """The share on everything else."""
        return (self.weights * ~self.keys.is_audited.unsqueeze(1)).sum(dim=-1)

    @property
    def attention(self) -> Float[Tensor, "batch row unit"]:
        """Renormalised over the audited units; zeros where none of them has weight."""
        totals = self.keys.total(self.weights.double())
        mass = totals.sum(dim=-1, keepdim=True)
        return (totals / torch.where(mass > 0, mass, 1)).to(self.weights.dtype)

    @property
    def admissible(self) -> Bool[Tensor, "batch row unit"]:
        """Units with a key that the row may attend to."""
        return self.keys.any(self.admissible_keys)

    def raw(
        self, attention: Float[Tensor, "batch variant row unit"], mass: Mass | None = None
    ) -> Float[Tensor, "batch variant row key"]:
        """Weights over all keys: units get shares of the row's mass, the rest keeps its own.

        Inside a unit of several keys, and among the rest, the proportions stay.

        Args:
            attention: Over the units; each row sums to 1.
            mass: Of each row; None: its own.
        """
        if mass is not None and mass.dim() == 2:
            mass = mass.unsqueeze(1)
        if self._are_shares:  # what a row may not attend to has no weight, and no gradient
            shares = attention * self.admissible_keys.unsqueeze(1)
            return shares if mass is None else shares * mass.unsqueeze(-1)
        others = (self.weights * ~self.keys.is_audited.unsqueeze(1)).unsqueeze(1)
        if mass is None:
            return self.keys.of_keys(attention) * self._of_units.unsqueeze(1) + others
        of_units = self._shares_within_units().unsqueeze(1) * mass.unsqueeze(-1)
        given_up = (self.mass.unsqueeze(1) - mass) / self._divisible_rest.unsqueeze(1)
        factor = (1 + given_up).clamp_min(0).unsqueeze(-1)
        return self.keys.of_keys(attention) * of_units + others * factor

    @property
    def _divisible_rest(self) -> Float[Tensor, "batch row"]:
        """The share on everything else, or 1 where there is none: there is nothing to scale."""
        return torch.where(self.rest > torch.finfo(self.rest.dtype).tiny, self.rest, 1)

    def as_units(self) -> RowWeights:
        """The rows over the units."""
        return RowWeights(
            attention=self.attention,
            admissible=self.admissible,
            mass=self.mass,
            rest=self.rest,
            row_mask=self.row_mask,
        )

    @cached_property
    def _are_shares(self) -> bool:
        """Whether units are keys, and nothing else has weight: then nothing is to be shared out."""
        return self.keys.are_units and not bool(self.rest.any())

    @cached_property
    def _of_units(self) -> KeyWeights:
        """What each key gets of its unit's attention: of the row's mass, the share in its unit."""
        return self._shares_within_units() * self.mass.unsqueeze(-1)

    def _shares_within_units(self) -> KeyWeights:
        """Of its unit's weight the share of each key; equal shares where the unit has none."""
        weights = self.weights * self.admissible_keys
        allowed = self.admissible_keys.to(weights)
        totals = self.keys.of_keys(self.keys.total(weights))
        counts = self.keys.of_keys(self.keys.total(allowed)).clamp_min(1)
        tiny = torch.finfo(weights.dtype).tiny
        shares = torch.where(totals > tiny, weights / totals.clamp_min(tiny), allowed / counts)
        return shares * self.keys.is_audited.unsqueeze(1)

    def replay(
        self,
        way: Way,
        attention: Float[Tensor, "batch variant row unit"],
        mass: Mass | None = None,
    ) -> VariantLogits:
        """Logits under other attention of this site's rows; other heads keep their own.

        Args:
            way: How weights of all heads are replayed.
            attention: Over the units.
            mass: Of each row on them; None: its own.
        """
        return way(self.of_all_heads(attention, mass))

    def of_all_heads(
        self, attention: Float[Tensor, "batch variant row unit"], mass: Mass | None = None
    ) -> Weights:
        """Weights over all keys, of this site's rows and of the heads that keep their own."""
        n_batch, n_variants = attention.shape[:2]
        dtype = self.weights.dtype
        raw = self.raw(attention.to(dtype), None if mass is None else mass.to(dtype))
        own = self.reached.weights
        n_heads, n_queries, n_keys = own.shape[1:]
        if self.head is None:
            return raw.reshape(n_batch, n_variants, n_heads, n_queries, n_keys)
        every = own.unsqueeze(1).expand(-1, n_variants, -1, -1, -1)
        before, after = every[:, :, : self.head], every[:, :, self.head + 1 :]
        return torch.cat([before, raw.unsqueeze(2), after], dim=2)
