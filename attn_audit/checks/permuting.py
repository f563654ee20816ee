"""Permuted attention: one order for all rows, or each row's own part of it."""

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from attn_audit.checks.base import AuditedBatch
from attn_audit.distances import entropy, jensen_shannon_divergence


def permuted(
    audited: AuditedBatch,
    weights: Float[Tensor, "batch row unit"],
    order: Int64[Tensor, "batch variant unit"],
) -> Float[Tensor, "batch variant row unit"]:
    """Weights in other orders, the same one in every row and head.

    A row that may not attend to every unit is permuted within those that it may attend to, in the
    order in which they come in the common one: still any order of them with the same probability.

    Args:
        audited: A batch.
        weights: Its attention.
        order: permuted[i] = weights[order[i]].
    """
    if audited.is_unrestricted:
        orders = order.unsqueeze(2).expand(-1, -1, weights.shape[1], -1)
    else:
        orders = orders_within(order, audited.admissible)
    return weights.unsqueeze(1).expand(-1, order.shape[1], -1, -1).gather(-1, orders)


def orders_within(
    order: Int64[Tensor, "batch variant unit"], admissible: Bool[Tensor, "batch row unit"]
) -> Int64[Tensor, "batch variant row unit"]:
    """Each row's part of a common order: its k-th unit gets the k-th of its units in that order.

    Args:
        order: Of all units.
        admissible: The units that each row may attend to; the others stay where they are.
    """
    every = (-1, order.shape[1], admissible.shape[1], -1)
    drawn = order.unsqueeze(2).expand(every)
    is_admissible = admissible.unsqueeze(1).expand(every).gather(-1, drawn)
    place = (~admissible).int().argsort(dim=-1, stable=True)  # the row's units come first
    rank = (is_admissible.cumsum(-1) - 1).clamp_min(0)
    target = place.unsqueeze(1).expand(every).gather(-1, rank)
    target = torch.where(is_admissible, target, drawn)
    return torch.empty_like(target).scatter_(-1, target, drawn)


def permuted_divergences(
    audited: AuditedBatch, order: Int64[Tensor, "batch variant unit"]
) -> Float64[Tensor, "batch variant"]:
    """Divergence between the explanation and what it becomes under each permutation, nats.

    Args:
        audited: A batch.
        order: Orders of its units.
    """
    own = audited.explanation.unsqueeze(1)
    if not audited.is_unrestricted:
        shown = audited.explain(permuted(audited, audited.attention, order))
        return jensen_shannon_divergence(shown, own)
    # All rows alike: the explanation is permuted as they are, and its entropy stays.
    half = own / 2
    mixed = half.expand(-1, order.shape[1], -1).gather(-1, order).add_(half)
    return (entropy(mixed) - entropy(own)).clamp_min(0)
