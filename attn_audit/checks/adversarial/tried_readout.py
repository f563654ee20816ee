"""A linear readout that a model does not tell of, found by trying it out."""

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.checks.adversarial.likely_pairs import GUESS_TOLERANCE
from attn_audit.checks.adversarial.single_units import SingleUnits
from attn_audit.checks.adversarial.starts import starting_scores
from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.replaying import replayed_probabilities
from attn_audit.models.base import LinearReadout

N_TRIALS = 2
"""Random distributions of each example on which the readout has to hold."""


def tried_readout(audited: AuditedBatch, single: SingleUnits) -> LinearReadout | None:
    """The linear readout that gives what all attention on each single unit gives.

    It is what the model does if other distributions, over all units, give what it says.

    Args:
        audited: A batch.
        single: What each of its units does alone.

    Returns:
        None where the readout is not linear in the weights of a single row.
    """
    if audited.attention.shape[1] > 1 or not audited.is_unrestricted:
        return None
    readout = _readout_of_single_units(audited, single)
    weights = starting_scores(audited, N_TRIALS).softmax(dim=-1) * audited.admissible.unsqueeze(1)
    promised = audited.model.task.probabilities(_logits(audited, readout, weights))
    error = (replayed_probabilities(audited, weights) - promised).abs()
    return readout if bool((error <= GUESS_TOLERANCE).all()) else None  # NaN holds no promise


def _readout_of_single_units(audited: AuditedBatch, single: SingleUnits) -> LinearReadout:
    logits = single.logits
    units = audited.batch.unit_mask.unsqueeze(2)
    # Weights sum up to 1, so that any constant may stand for the offset; this one is among them.
    offset = logits[:, 0]
    above = torch.where(units, logits - offset.unsqueeze(1), 0)
    mass = audited.mass.clamp_min(torch.finfo(audited.mass.dtype).tiny)[:, None, None]
    dtype = audited.reading.attention.dtype
    return LinearReadout(offset.to(dtype), (above / mass).to(dtype))


def _logits(
    audited: AuditedBatch, readout: LinearReadout, weights: Float[Tensor, "batch variant row unit"]
) -> Float[Tensor, "batch variant label"]:
    pooled = weights.squeeze(2).double() @ readout.unit_logits.double()
    return readout.offset.unsqueeze(1) + audited.mass[:, None, None] * pooled
