"""Value zeroing: what nothing is taken from any more."""

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn.functional import cosine_similarity

from attn_audit.measures.base import measured_in_portions, n_whole_together, normalised
from attn_audit.models.contract import AuditedModel, Batch


def value_zeroing(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    r"""How far the state that is read out turns when a token's value is 0 in the last layer.

    .. math:: 1 - \cos(h, h_{\setminus u})

    in float64, for each token alone, over the audited units. The weights of the others are not
    renormalised.

    Source:
        Mohebbi et al. (2023), Quantifying context mixing in transformers, section 3.
    """
    return measured_in_portions(_turned, model, batch, n_whole_together(model, batch))


def _turned(model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit"]:
    states = model.states(batch)
    own, found = states.own.double(), torch.zeros_like(states.readout)
    for token in range(found.shape[1]):
        hidden = torch.zeros_like(found, dtype=torch.bool)
        hidden[:, token] = True
        if not bool(batch.sum_over_units(hidden.double()).any()):
            continue  # no audited token of any text
        turned = 1 - cosine_similarity(own, states.without(hidden).double(), dim=-1)
        found[:, token] = (turned * states.readout).sum(dim=1)
    return normalised(batch.sum_over_units(found.clamp_min(0)))
