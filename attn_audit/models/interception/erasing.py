"""Texts without some of their units, packed by length into full batches."""

from enum import StrEnum

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_audit.models.interception.batch import InterceptedBatch
from attn_audit.models.interception.classifier import Classifier
from attn_audit.models.interception.removal.base import UnitRemoval, Variants
from attn_audit.models.interception.removal.deleting import Deletion
from attn_audit.models.interception.removal.masking import Masking
from attn_audit.models.packing import full_batches, in_order
from attn_audit.progress import part, portions


class Sharing(StrEnum):
    """What may be computed in one pass, each row as it is alone."""

    TEXTS = "texts"
    """Any texts."""
    VARIANTS = "variants"
    """Variants of one text, of one length."""
    NOTHING = "nothing"


@torch.no_grad()
def erased_logits(
    classifier: Classifier,
    batch: InterceptedBatch,
    keep: Bool[Tensor, "batch variant unit"],
    removal: UnitRemoval,
    sharing: Sharing,
    n_tokens: int,
) -> Float[Tensor, "batch variant label"]:
    """Logits without the units that are not kept, on the model's own kernels.

    Where nothing is left that the model could read, the prediction itself stands.

    Args:
        classifier: The model.
        batch: Examples.
        keep: The units that stay.
        removal: How the others are left out; of variants that it does not suit, they are deleted.
        sharing: What may be computed together.
        n_tokens: Of one pass.
    """
    kept = keep & batch.unit_mask.unsqueeze(1)
    is_changed = kept.sum(-1) != batch.unit_mask.sum(-1, keepdim=True)
    deletion = Deletion(classifier)
    as_it_is = Masking(classifier, None) if classifier.can_mask else deletion
    with part(1 / (1 + keep.shape[1])):
        own = _run(as_it_is, batch, _own(batch), sharing, n_tokens)
    out = own.unsqueeze(1).repeat(1, keep.shape[1], 1)
    suited = is_changed & removal.suits(batch, kept)
    deleted = is_changed & ~suited & deletion.suits(batch, kept)
    found = []
    for chosen, way in ((suited, removal), (deleted, deletion)):
        example, variant = torch.nonzero(chosen, as_tuple=True)
        if len(example):
            found.append((Variants(example, variant, kept[example, variant]), way))
    for variants, way in portions(found, [len(variants) for variants, _ in found]):
        out[variants.example, variants.variant] = _run(way, batch, variants, sharing, n_tokens)
    return out


def _own(batch: InterceptedBatch) -> Variants:
    rows = torch.arange(len(batch), device=batch.unit_mask.device)
    return Variants(rows, torch.zeros_like(rows), batch.unit_mask)


def _run(
    removal: UnitRemoval,
    batch: InterceptedBatch,
    variants: Variants,
    sharing: Sharing,
    n_tokens: int,
) -> Tensor:
    """Logits of the variants, in their order."""
    most = 0 if sharing is Sharing.NOTHING else n_tokens
    positions = removal.n_positions(batch, variants)
    batches = list(full_batches(positions, most, of_one_length=sharing is not Sharing.TEXTS))
    parts = [removal.logits(batch, part) for part in map(variants.take, portions(batches))]
    return in_order(parts, batches)
