"""Attention that is put back, at every layer: held against what whole passes give."""

from collections.abc import Sequence

import torch
from torch import Tensor

from attn_audit import Example
from attn_audit.models.contract import NewWeights, RowWeights, Site
from attn_audit.models.huggingface.model import HuggingFaceModel


def require_replays_of_full_passes(model: HuggingFaceModel, examples: Sequence[Example]) -> None:
    """Own attention reproduces the output, and random attention gives what a full pass gives."""
    batch = model.collate(model.encode(examples))
    draw = torch.Generator().manual_seed(0)
    for layer in range(len(model.layers)):
        site = Site(layer)
        (reading,) = model.read(batch, [site])
        own = reading.replay(reading.attention.unsqueeze(1))[:, 0]
        assert torch.allclose(own, reading.logits, atol=1e-5)
        other = torch.rand(reading.attention.shape, generator=draw) * reading.admissible
        other /= other.sum(-1, keepdim=True).clamp_min(1e-9)

        def instead(rows: RowWeights, other: Tensor = other) -> NewWeights:
            return NewWeights(other)

        expected = model.intervene(batch, {site: instead})
        found = reading.replay(other.unsqueeze(1))[:, 0]
        assert torch.allclose(found, expected, atol=1e-4)
        is_seen = bool(reading.admissible.any())  # a text may lie out of sight of a window
        assert is_seen != torch.allclose(found, reading.logits, atol=1e-3)
