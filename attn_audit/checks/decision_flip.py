"""Decision flip: how much attention has to go, in one order or other, before the decision flips?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float64, Int, Int64, UInt64
from torch import Tensor

from attn_audit.checks.base import (
    AuditedBatch,
    Columns,
    is_measured,
    joined_statuses,
    or_none,
)
from attn_audit.checks.ties import N_ORDERS, ranks_of
from attn_audit.findings import decision_flip as fields
from attn_audit.findings.example import Status
from attn_audit.findings.measure import GRADIENT
from attn_audit.measures.base import normalised
from attn_audit.models.contract import require_finite
from attn_audit.progress import in_portions
from attn_audit.randomness import example_keys, hashes

BYTES_OF_A_WEIGHT = 64
"""Worked on for each weight of a variant."""


@dataclass(frozen=True)
class DecisionFlip:
    """Weights set to 0 one after the other, the rest of each row renormalised, until it decides so.

    Where everything is gone, nothing is attended to: of many models the bias alone is left, so a
    decision that turns only then says nothing of the order.

    Source: Serrano & Smith (2019), "Is Attention Interpretable?", section 5.
    """

    id: ClassVar[str] = "decision_flip"

    def passes(self, n_units: int) -> int:
        """A replay for each unit in each order, of random ones several, and one backwards."""
        return (len(fields.ORDERS) - 1 + N_ORDERS) * n_units + 2

    def run(self, audited: AuditedBatch) -> Columns:
        """The share of units that has to go in each order, and how it ends."""
        measured = is_measured(audited) & audited.has_margin
        lengths, orders = audited.lengths, _orders(audited)
        n_gone = {
            name: np.stack([_first_flip(audited, order) for order in drawn.unbind(dim=1)])
            for name, drawn in orders.items()
        }
        statuses = joined_statuses(
            (~audited.has_mass, Status.NO_AUDITED_MASS),
            (~audited.can_move, Status.SINGLE_UNIT),
            (~audited.has_margin, Status.NO_MARGIN),
        )
        columns: Columns = {fields.STATUS.name: statuses}
        for order in fields.ORDERS:
            gone = n_gone[order.name]
            flips = gone < lengths
            share = (gone * flips).sum(axis=0) / np.maximum(flips.sum(axis=0), 1) / lengths
            columns[order.gone.name] = or_none(share, measured & flips.any(axis=0))
            columns[order.never.name] = or_none((gone > lengths).mean(axis=0), measured)
            columns[order.nothing_left.name] = or_none((gone == lengths).mean(axis=0), measured)
            if order.sooner is not None:
                sooner = _is_sooner(gone, n_gone["random"])
                columns[order.sooner.name] = or_none(sooner, measured)
        return columns


def _is_sooner(
    gone: Int64[np.ndarray, "order batch"], random: Int64[np.ndarray, "drawn batch"]
) -> Float64[np.ndarray, " batch"]:
    """Share of all pairs of orders in which the first takes fewer; half where they take as many."""
    own = gone[:, None]
    share: np.ndarray = ((own < random) + 0.5 * (own == random)).mean(axis=(0, 1))
    return share


def _orders(audited: AuditedBatch) -> dict[str, Int64[Tensor, "batch order unit"]]:
    """Units as each order takes them, ties as each draw has them; padding last."""
    lengths, mask = audited.lengths, audited.batch.unit_mask.cpu().numpy()
    ties, random = (
        hashes(example_keys(audited.seed, audited.ids, of), range(N_ORDERS), mask.shape[1])
        for of in ("decision_flip/ties", DecisionFlip.id)
    )
    gradient, product = _gradients(audited)
    values = {
        "attention": ("attention", audited.explanation),
        "gradient": (GRADIENT.name, gradient),
        "attention_x_gradient": ("attention", product),  # a small weight's is small, and exact
    }
    found = {"random": _descending(np.where(mask, 0, -1), random, lengths)}
    for name, (noise_of, of) in values.items():
        table = np.where(mask, of.cpu().numpy(), 0)
        ranks = ranks_of(noise_of, table, lengths, audited.model.dtype)
        found[name] = _descending(ranks, ties, lengths)
    device = audited.attention.device
    return {name: torch.from_numpy(orders).to(device) for name, orders in found.items()}


def _descending(
    ranks: Int[np.ndarray, "batch unit"],
    draws: UInt64[np.ndarray, "batch order unit"],
    lengths: Int64[np.ndarray, " batch"],
) -> Int64[np.ndarray, "batch drawn unit"]:
    """From the highest rank to the lowest; one order of each text where in none units tie."""
    used = draws if (ranks.max(axis=1) + 1 < lengths).any() else draws[:, :1]
    highest_first = np.broadcast_to(-ranks[:, None], used.shape)
    order: np.ndarray = np.lexsort((used, highest_first), axis=-1)
    return order


def _gradients(
    audited: AuditedBatch,
) -> tuple[Float64[Tensor, "batch unit"], Float64[Tensor, "batch unit"]]:
    """Of the margin by each weight, the others held, and times the weight; sums over the rows."""
    reading, margin = audited.reading, audited.margin
    own = reading.attention.detach().clone().requires_grad_()
    with torch.enable_grad():
        margins = margin.at(reading.replay(own.unsqueeze(1)))[:, 0]
        (found,) = torch.autograd.grad((margins * margin.share).sum(), own)
    found, mass = found.double(), reading.mass.double().unsqueeze(-1)
    of_weights = found / torch.where(mass > 0, mass, 1)  # attention is the weight over the mass
    require_finite(audited.batch, of_weights.flatten(1), "gradient of the attention")
    return of_weights.sum(dim=1), (found * reading.attention.double()).sum(dim=1)


@torch.no_grad()
def _first_flip(
    audited: AuditedBatch, order: Int64[Tensor, "batch unit"]
) -> Int64[np.ndarray, " batch"]:
    """After how many units the decision is another; one more than there are where it never is."""
    reading, n_units = audited.reading, order.shape[1]
    places = torch.arange(n_units, device=order.device)
    place = torch.empty_like(order).scatter_(1, order, places.expand_as(order))
    turned = np.zeros((len(audited.batch), n_units), dtype=bool)
    attention, mass = audited.attention.unsqueeze(1), reading.mass.double().unsqueeze(1)
    rest = reading.rest.double().unsqueeze(1)
    for portion in in_portions(n_units, audited.in_cache(BYTES_OF_A_WEIGHT)):
        n_gone = torch.arange(1, n_units + 1, device=order.device)[portion]
        is_left = (place.unsqueeze(1) >= n_gone.view(1, -1, 1)).unsqueeze(2)
        left = attention * is_left
        share = left.sum(dim=-1)
        weights = torch.where(share.unsqueeze(-1) > 0, normalised(left), attention)
        whole = mass * share + rest
        new_mass = mass * share / torch.where(whole > 0, whole, 1)
        dtype = reading.attention.dtype
        logits = reading.replay(weights.to(dtype), new_mass.to(dtype))
        turned[:, portion] = (audited.margin.turned(logits) >= HALF).cpu().numpy()
    turned &= np.arange(n_units) < audited.lengths[:, None]
    first: np.ndarray = np.where(turned.any(axis=1), turned.argmax(axis=1), audited.lengths) + 1
    return first


HALF = 0.5
"""Of the audited labels, whose decisions are others."""
