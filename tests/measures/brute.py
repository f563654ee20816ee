"""What transformers says of its own attention, text by text, and sums over units."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.model import InterceptedModel

Loaded = Callable[..., tuple[InterceptedModel, InterceptedBatch]]


def texts_of(model: InterceptedModel, batch: InterceptedBatch) -> list[InterceptedBatch]:
    """Each alone, so that there is no padding."""
    return [model.collate([item]) for item in batch.encoded]


def called(model: InterceptedModel, text: InterceptedBatch) -> Any:
    """What the module itself gives for a text."""
    return model.module(**text.inputs.keywords, output_attentions=True)


def over_units(text: InterceptedBatch, row: Tensor) -> Tensor:
    """The sum over the tokens of each unit, of their own sum."""
    units = text.inputs.units[0].tolist()
    sums = torch.zeros(text.encoded[0].n_units, dtype=torch.float64)
    for value, unit in zip(row.tolist(), units, strict=True):
        if unit >= 0:
            sums[unit] += value
    return sums / sums.sum()


def assert_each(found: Tensor, batch: InterceptedBatch, expected: list[Tensor]) -> None:
    """Each text of a batch has the values that it has alone, and padding has none."""
    for row, mask, alone in zip(found, batch.unit_mask, expected, strict=True):
        assert torch.allclose(row[mask], alone.double(), rtol=1e-6, atol=1e-9)
        assert not bool(row[~mask].any())
