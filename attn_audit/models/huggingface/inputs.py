"""Token sequences as a module's inputs, whole or with units left out."""

from collections.abc import Iterable, Sequence
from itertools import chain

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attn_audit.models.huggingface.encoding import TokenEncoded
from attn_audit.models.huggingface.padding import Padding, Side, real_positions, spread
from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"


def join(
    rows: Sequence[TokenEncoded], arguments: Iterable[str], padding: Padding, side: Side
) -> ModelInputs:
    """Encoded examples as one batch.

    Args:
        rows: At least one.
        arguments: The names of what the module takes.
        padding: What stands behind shorter texts.
        side: Where it stands.
    """
    lengths = torch.tensor([len(row.token_ids) for row in rows])
    return _padded(
        {
            IDS: _flat(row.token_ids for row in rows),
            TYPES: _flat(row.token_type_ids for row in rows),
        },
        _flat(row.unit_of_position for row in rows),
        real_positions(lengths, side),
        arguments,
        padding,
    )


def without_units(
    inputs: ModelInputs, keep: Bool[Tensor, "batch unit"], padding: Padding, side: Side
) -> ModelInputs:
    """Leave units out, and close the gaps; special tokens and second texts stay.

    Args:
        inputs: From `join`.
        keep: The units that stay.
        padding: What stands behind shorter texts.
        side: Where it stands.
    """
    audited = inputs.units != NOT_AUDITED
    kept = inputs.real & (~audited | keep.gather(1, inputs.units.clamp(min=0)))
    return _padded(
        {name: inputs.keywords[name][kept] for name in (IDS, TYPES) if name in inputs.keywords},
        inputs.units[kept],
        real_positions(kept.sum(1), side),
        inputs.keywords,
        padding,
    )


def _padded(
    values: dict[str, Int[Tensor, " token"]],
    units: Int[Tensor, " token"],
    real: Bool[Tensor, "batch position"],
    arguments: Iterable[str],
    padding: Padding,
) -> ModelInputs:
    fills = {IDS: padding.id_for(values[IDS]), TYPES: padding.type_id}
    given = {name: spread(value, real, fills[name]) for name, value in values.items()}
    given[MASK] = real.long()
    return ModelInputs(
        (), {name: given[name] for name in arguments}, spread(units, real, NOT_AUDITED), real
    )


def _flat(rows: Iterable[Sequence[int]]) -> Int[Tensor, " token"]:
    return torch.tensor(list(chain.from_iterable(rows)))
