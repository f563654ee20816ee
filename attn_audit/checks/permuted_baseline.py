"""The permuted baseline: how alike attention and the gradient are where attention is shuffled.

A gradient with attention held constant is scaled by the weights themselves, so that it follows them
wherever they are put. What attention that is nothing but shuffled reaches is no merit of a model.
"""

from math import factorial

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.permutation import orders_within, permuted
from attn_audit.measures.gradient import gradients_under
from attn_audit.models.contract import NewWeights, RowWeights, Rule, Site
from attn_audit.randomness import ALL_PERMUTATIONS_UP_TO, example_keys, permutations

DRAW = factorial(ALL_PERMUTATIONS_UP_TO)
"""Which draw of a text's permutations: the first that is a random one of up to 4 units as well."""


def permuted_baseline(
    audited: AuditedBatch,
) -> tuple[Float64[Tensor, "batch unit"], Float64[Tensor, "batch unit"]]:
    """One permutation of each text's attention, and the gradient with attention held at it."""
    keys = example_keys(audited.seed, audited.ids, "permuted baseline")
    n_units = audited.attention.shape[-1]
    drawn = permutations(keys, audited.lengths, range(DRAW, DRAW + 1), n_units)
    order = torch.from_numpy(drawn).to(audited.attention.device)

    def rules_of(portion: slice) -> dict[Site, Rule]:
        def rule(own: RowWeights) -> NewWeights:
            of_portion = order[portion, :, : own.attention.shape[-1]]
            is_row = own.row_mask.unsqueeze(2)
            orders = orders_within(of_portion, own.admissible & is_row).squeeze(1)
            return NewWeights(own.attention.gather(-1, orders))

        return {audited.site: rule}

    shown = audited.explain(permuted(audited, audited.attention, order)).squeeze(1)
    return shown, gradients_under(audited.model, audited.batch, rules_of)
