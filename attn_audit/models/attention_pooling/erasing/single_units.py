"""Every text without each of its units in turn, from what the whole text leaves unchanged."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.models.attention_pooling.architecture import EncoderKind
from attn_audit.models.attention_pooling.batch import TokenBatch
from attn_audit.models.attention_pooling.erasing.average import average_without_each_unit
from attn_audit.models.attention_pooling.erasing.bilstm import bilstm_without_each_unit
from attn_audit.models.attention_pooling.erasing.cnn import cnn_without_each_unit
from attn_audit.models.attention_pooling.erasing.texts import Texts
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork
from attn_audit.models.packing import full_batches

MAX_POSITIONS = 2048
"""Padded positions that are worked on together: large enough to fill the cores, small enough for
the states to stay in cache. A longer text stands alone. Of the average, where the calls cost more
than the arithmetic, twice as many."""

WITHOUT_EACH_UNIT: dict[
    EncoderKind,
    Callable[[AttentionPoolingNetwork, Texts], Float64[Tensor, "variant batch value"]],
] = {
    EncoderKind.BILSTM: bilstm_without_each_unit,
    EncoderKind.CNN: cnn_without_each_unit,
    EncoderKind.AVERAGE: average_without_each_unit,
}
"""What attention averages the unit values to; variant 0 is the whole text, u the one without u."""


def logits_without_each_unit(
    network: AttentionPoolingNetwork, batch: TokenBatch
) -> Float[Tensor, "batch variant label"]:
    """Logits of the whole texts (variant 0) and without their first, second, ... unit.

    The time grows with the length for the CNN and the average (a few scalars a unit with n log n),
    with its square for the BiLSTM, where every state behind a gap is another one. The memory grows
    with the length for all.

    Args:
        network: The model.
        batch: Whole texts.

    Returns:
        Beyond a text's last unit those of the whole text.
    """
    shape = (len(batch), batch.unit_mask.shape[1] + 1, network.architecture.n_logits)
    out = network.readout.output.weight.new_empty(shape)
    encoder = network.architecture.encoder
    max_positions = MAX_POSITIONS * (2 if encoder is EncoderKind.AVERAGE else 1)
    for rows in full_batches(batch.lengths, max_positions):
        texts = Texts.of(batch, rows)
        pooled = WITHOUT_EACH_UNIT[encoder](network, texts)
        logits = network.readout.logits(pooled.transpose(0, 1).to(out.dtype), texts.question)
        out[rows, : logits.shape[1]] = logits
    out[:, 1:] = torch.where(batch.unit_mask.unsqueeze(-1), out[:, 1:], out[:, :1])
    return out
