"""Texts without some of their units: masked or deleted, packed by length into full batches."""

from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.models.interception.batch import InterceptedBatch
from attn_audit.models.interception.classifier import NOT_AUDITED, Classifier, ModelInputs
from attn_audit.models.packing import full_batches, in_order
from attn_audit.progress import part, portions


class Removal(StrEnum):
    """How a unit is left out."""

    MASK = "mask"
    """attention_mask = 0: shapes and positions stay."""
    DELETE = "delete"
    """A shorter text."""


class Sharing(StrEnum):
    """What may be computed in one pass, each row as it is alone."""

    TEXTS = "texts"
    """Any texts."""
    VARIANTS = "variants"
    """Variants of one text, of one length."""
    NOTHING = "nothing"


@dataclass(frozen=True)
class _Variants:
    """The (example, variant) pairs that are run."""

    example: Int[Tensor, " row"]
    variant: Int[Tensor, " row"]
    keep: Bool[Tensor, "row unit"]

    def take(self, rows: Tensor) -> "_Variants":
        return _Variants(self.example[rows], self.variant[rows], self.keep[rows])

    def __len__(self) -> int:
        return len(self.example)


@torch.no_grad()
def erased_logits(
    classifier: Classifier,
    batch: InterceptedBatch,
    keep: Bool[Tensor, "batch variant unit"],
    removal: Removal,
    sharing: Sharing,
    n_tokens: int,
) -> Float[Tensor, "batch variant label"]:
    """Logits without the units that are not kept, on the model's own kernels.

    A unit that holds the token which is read out cannot be masked away, since its residual stays:
    variants without it are deleted. Where nothing is left that the model could read, the
    prediction itself stands.

    Args:
        classifier: The model.
        batch: Examples.
        keep: The units that stay.
        removal: How the others are left out.
        sharing: What may be computed together.
        n_tokens: Of one pass.
    """
    kept = keep & batch.unit_mask.unsqueeze(1)
    n_kept, n_units = kept.sum(-1), batch.unit_mask.sum(-1, keepdim=True)
    whole = n_kept == n_units
    is_read = (n_kept > 0) | classifier.can_read_nothing
    is_changed = ~whole & is_read
    with part(1 / (1 + keep.shape[1])):
        own = _run(classifier, batch, _own(batch), classifier.can_mask, sharing, n_tokens)
    out = own.unsqueeze(1).repeat(1, keep.shape[1], 1)
    is_deleted = is_changed & _is_deleted(batch, kept, removal)
    found = []
    for chosen, is_masked in ((is_changed & ~is_deleted, True), (is_deleted, False)):
        example, variant = torch.nonzero(chosen, as_tuple=True)
        if len(example):
            found.append((_Variants(example, variant, kept[example, variant]), is_masked))
    for variants, is_masked in portions(found, [len(variants) for variants, _ in found]):
        out[variants.example, variants.variant] = _run(
            classifier, batch, variants, is_masked, sharing, n_tokens
        )
    return out


def _own(batch: InterceptedBatch) -> _Variants:
    rows = torch.arange(len(batch), device=batch.unit_mask.device)
    return _Variants(rows, torch.zeros_like(rows), batch.unit_mask)


def _is_deleted(
    batch: InterceptedBatch, kept: Bool[Tensor, "batch variant unit"], removal: Removal
) -> Bool[Tensor, "batch variant"]:
    if removal is Removal.DELETE:
        return torch.ones_like(kept[..., 0])
    readout = batch.readout_units
    loses = ~kept.gather(2, readout.clamp_min(0)[:, None, None].expand(-1, kept.shape[1], 1))
    return loses.squeeze(2) & (readout != NOT_AUDITED).unsqueeze(1)


def _run(
    classifier: Classifier,
    batch: InterceptedBatch,
    variants: _Variants,
    is_masked: bool,
    sharing: Sharing,
    n_tokens: int,
) -> Tensor:
    """Logits of the variants, in their order."""
    inputs = batch.inputs
    positions = inputs.real.sum(dim=1)[variants.example]
    if not is_masked:
        gone = ~variants.keep.gather(1, inputs.units.clamp_min(0)[variants.example])
        positions = positions - (gone & (inputs.units != NOT_AUDITED)[variants.example]).sum(dim=1)
    most = 0 if sharing is Sharing.NOTHING else n_tokens
    batches = list(full_batches(positions, most, of_one_length=sharing is not Sharing.TEXTS))
    parts = [
        classifier.logits(
            _masked(classifier, batch.inputs, part)
            if is_masked
            else _deleted(classifier, batch, part)
        )
        for part in map(variants.take, portions(batches))
    ]
    return in_order(parts, batches)


def _masked(classifier: Classifier, inputs: ModelInputs, variants: _Variants) -> ModelInputs:
    taken = inputs.take(variants.example).trim()
    units = taken.units
    kept = variants.keep.gather(1, units.clamp_min(0)) | (units == NOT_AUDITED)
    return taken if bool(kept.all()) else classifier.mask(taken, ~kept)


def _deleted(classifier: Classifier, batch: InterceptedBatch, variants: _Variants) -> ModelInputs:
    encoded = [batch.encoded[i] for i in variants.example.tolist()]
    return classifier.delete(encoded, variants.keep)
