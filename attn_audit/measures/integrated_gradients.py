"""Integrated gradients, from a text of padding to the text."""

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from attn_audit.measures.base import count_more, measured_in_portions, n_together
from attn_audit.measures.gradient_x_input import Target, gradient_at
from attn_audit.models.contract import AuditedModel, Batch, coarseness, require_finite
from attn_audit.models.margin import LOGIT_NOISE, largest_of

STEPS = (50, 100, 200, 400)
"""Nodes that are tried, one number after the other."""

MAX_GAP = 0.01
"""Of the difference that contributions are to add up to."""


def integrated_gradients(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    r"""What each unit adds to the log-odds of the prediction on the way from a baseline.

    .. math:: (x_u - b_u) \cdot \int_0^1 \nabla_u s(b + t (x - b))\, dt

    b holds the padding token's embedding at the audited units, zeros where there is none; what
    stands around them stays. By Gauss-Legendre with 50 nodes, doubled up to 400 times until the
    contributions add up to s(x) - s(b) within 1 %.

    Returns:
        NaN for all units of a text where they do not at 400.

    Source:
        Sundararajan et al. (2017), Axiomatic attribution for deep networks, sections 3 and 5.
    """
    return measured_in_portions(_contributions, model, batch, n_together(model, batch))


def passes_of(n_steps: int) -> int:
    """A pass forwards and one backwards at each node, and both ends."""
    return 2 * n_steps + 2


def _contributions(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    found = torch.full_like(batch.unit_mask, torch.nan, dtype=torch.float64)
    open_rows = torch.arange(len(batch), device=found.device)
    for n_steps in STEPS:
        rows = open_rows.tolist()
        if n_steps > STEPS[0]:
            count_more(len(rows) * passes_of(n_steps))
        part = model.collate([batch.encoded[i] for i in rows])
        contributions, adds_up = _integrated(model, part, n_steps)
        rows_done = open_rows[adds_up]
        found[rows_done] = 0
        found[rows_done, : contributions.shape[1]] = contributions[adds_up]
        open_rows = open_rows[~adds_up]
        if not len(open_rows):
            break
    return found.masked_fill(~batch.unit_mask, 0)


def _integrated(
    model: AuditedModel, batch: Batch, n_steps: int
) -> tuple[Float64[Tensor, "batch unit"], Bool[Tensor, " batch"]]:
    """Contributions by so many nodes, and whether they add up."""
    embeddings, baseline = model.embed(batch).detach(), model.baseline(batch)
    with torch.no_grad():
        logits, at_baseline = (
            model.forward(batch, at, hold_attention=False) for at in (embeddings, baseline)
        )
    target = Target.of(model.task, logits)
    difference = target.log_odds(logits).double() - target.log_odds(at_baseline).double()
    apart = (embeddings - baseline).double()
    found = torch.zeros(batch.unit_mask.shape, dtype=torch.float64, device=model.device)
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    for node, weight in zip(((nodes + 1) / 2).tolist(), (weights / 2).tolist(), strict=True):
        between = baseline + node * (embeddings - baseline)
        _, gradient = gradient_at(model, batch, between, target)
        found += weight * batch.sum_over_units((gradient.double() * apart).sum(dim=-1))
    require_finite(batch, found, "gradient")
    found = found * batch.unit_mask
    rounding = LOGIT_NOISE * coarseness(model.dtype) * largest_of(logits.double())
    gap = (found.sum(dim=1) - difference).abs()
    return found, gap <= torch.maximum(MAX_GAP * difference.abs(), rounding)
