"""Parts of a text under attention: what each weighs, what it averages to, and what several make.

A softmax over a text is one over its parts: each counts by the logarithm of its weights' sum and
stands for the mean of its values. No weight is ever subtracted, and none underflows before it is
compared with what it competes with; so a part may be left out that outweighs all others.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

NOTHING = torch.finfo(torch.float64).min
"""The log weight of a part without units; finite, so that a text without any is no NaN but 0."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """Parts of texts, any number of axes."""

    log_weight: Float64[Tensor, "*part"]
    mean: Float64[Tensor, "*part value"]

    @classmethod
    def of_units(
        cls,
        scores: Float[Tensor, "*part"],
        values: Float[Tensor, "*part value"],
        mask: Bool[Tensor, "*#part"],
    ) -> "Pooled":
        """Each unit a part of its own; nothing where `mask` is False."""
        return cls(
            scores.double().masked_fill(~mask, NOTHING),
            values.double().masked_fill(~mask.unsqueeze(-1), 0),
        )

    @classmethod
    def nothing(cls, shape: tuple[int, ...], n_values: int, device: torch.device) -> "Pooled":
        """Parts without units."""
        mean = torch.zeros(*shape, n_values, dtype=torch.float64, device=device)
        return cls(torch.full_like(mean[..., 0], NOTHING), mean)

    def __getitem__(self, index: slice) -> "Pooled":
        return Pooled(self.log_weight[index], self.mean[index])

    def join(self, index: slice, others: "Pooled") -> None:
        """Put the union with other parts in the place of some of these."""
        joined = union(self[index], others)
        self.log_weight[index] = joined.log_weight
        self.mean[index] = joined.mean


def union(first: Pooled, second: Pooled) -> Pooled:
    """What two parts make together."""
    share = torch.sigmoid(second.log_weight - first.log_weight).unsqueeze(-1)
    return Pooled(
        torch.logaddexp(first.log_weight, second.log_weight),
        torch.lerp(first.mean, second.mean, share),
    )


def union_of_all(parts: Pooled) -> Float64[Tensor, "*part value"]:
    """What the parts along the first axis average to together; 0 where all are nothing."""
    weights = parts.log_weight.softmax(dim=0)
    return (weights.unsqueeze(-1) * parts.mean).sum(dim=0)


def concatenate(*parts: Pooled) -> Pooled:
    """Parts behind each other, along the first axis."""
    return Pooled(
        torch.cat([part.log_weight for part in parts]), torch.cat([part.mean for part in parts])
    )


def running_union(units: Pooled) -> Pooled:
    """Along the first axis, everything up to and including each unit; in log n steps."""
    reach = 1
    while reach < len(units.log_weight):
        units = concatenate(units[:reach], union(units[:-reach], units[reach:]))
        reach *= 2
    return units


def around_each_gap(units: Pooled, half: int) -> tuple[Pooled, Pooled]:
    """What lies before and what lies after each unit, `half` neighbours on either side left out.

    Args:
        units: Unit by example.
        half: How far the gap reaches beyond the unit itself.
    """
    n_units, n_examples = units.log_weight.shape
    both_ways = Pooled(
        torch.cat([units.log_weight, units.log_weight.flip(0)], dim=1),
        torch.cat([units.mean, units.mean.flip(0)], dim=1),
    )
    gap = min(half + 1, n_units)
    beyond = running_union(both_ways)[: n_units - gap]
    nothing = Pooled.nothing((gap, 2 * n_examples), units.mean.shape[-1], units.mean.device)
    beyond = concatenate(nothing, beyond)
    return (
        Pooled(beyond.log_weight[:, :n_examples], beyond.mean[:, :n_examples]),
        Pooled(beyond.log_weight[:, n_examples:].flip(0), beyond.mean[:, n_examples:].flip(0)),
    )
