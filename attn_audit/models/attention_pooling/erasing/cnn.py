"""Every unit left out in turn, for the CNN: only the windows that the gap runs through change."""

from itertools import accumulate

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.models.attention_pooling.encoders import CNNEncoder
from attn_audit.models.attention_pooling.erasing.pooling import (
    Pooled,
    around_each_gap,
    union,
    union_of_all,
)
from attn_audit.models.attention_pooling.erasing.scoring import Scorer, scorer_of
from attn_audit.models.attention_pooling.erasing.texts import Texts
from attn_audit.models.attention_pooling.erasing.windows import Windows
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork
from attn_audit.models.attention_pooling.positions import position_mask


def cnn_without_each_unit(
    network: AttentionPoolingNetwork, texts: Texts
) -> Float64[Tensor, "variant batch value"]:
    """Pooled unit values of the whole texts (variant 0) and without each unit.

    Args:
        network: With a CNN.
        texts: Whole.
    """
    encoder = network.text_encoder.encoder
    assert isinstance(encoder, CNNEncoder)
    scorer = scorer_of(network, texts.question)
    mask = texts.unit_mask.T  # in what follows, texts lie side by side
    visible = position_mask(texts.lengths, texts.token_ids.shape[1]).T.unsqueeze(-1)
    windows = Windows(encoder, network.embed(texts.token_ids.T) * visible)
    saved = _project_whole(encoder.activate(windows.whole), windows, scorer)
    units = Pooled.of_units(*scorer.finish(saved[-1][1:-1]), mask)
    pooled = union(*around_each_gap(units, windows.reach))
    for crossing in windows.across_gaps():
        channels = windows.channels[crossing.n_narrow * windows.width :]
        projected = scorer.project(encoder.activate(crossing.sums), channels)
        stood = _shifted(crossing.centres, int(crossing.gap <= 0))  # in the whole texts
        projected += saved[crossing.n_narrow][stood]
        changed = Pooled.of_units(*scorer.finish(projected), mask[crossing.centres])
        pooled.join(_shifted(crossing.centres, crossing.gap - 1), changed)
    return torch.cat([union_of_all(units).unsqueeze(0), pooled.mean])


def _project_whole(
    states: Float[Tensor, "position batch channel"], windows: Windows, scorer: Scorer
) -> list[Float[Tensor, "position batch projected"]]:
    """The whole texts' projections: of no kernel, of the narrowest, of the two narrowest, ..."""
    kernels = windows.channels.view(-1, windows.width)
    parts = zip(states.chunk(len(kernels), dim=-1), kernels, strict=True)
    none = scorer.offset.expand(*states.shape[:2], -1)
    return list(accumulate((scorer.project(*part) for part in parts), initial=none))


def _shifted(positions: slice, by: int) -> slice:
    return slice(positions.start + by, positions.stop + by)
