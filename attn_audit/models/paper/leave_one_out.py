"""Every text without each of its units in turn, from what the whole text leaves unchanged.

A state of the average knows its own token alone, one of the CNN those around it: most of a shorter
text is what it was. On texts of 20 words that takes a third of the time of passes through them for
the CNN, and an eighth for the average of pairs; of the BiLSTM, half of whose states change, not
less than passes do.
"""

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn import functional as F

from attn_audit.models.capacity import full_batches
from attn_audit.models.paper.network import (
    AttentionPoolingNetwork,
    CNNEncoder,
    Lengths,
    Summary,
    TokenIds,
    masked_softmax,
    position_mask,
)
from attn_audit.progress import portions

STATES_PER_PASS = 4
"""How much more is kept of a position than in a pass through the whole text."""


@torch.no_grad()
def logits_without_each_unit(
    network: AttentionPoolingNetwork,
    ids: TokenIds,
    lengths: Lengths,
    question: Summary | None,
    n_tokens: int,
) -> Float[Tensor, "batch variant label"]:
    """Logits of the whole texts, then without their first, second, ... unit where they have it.

    Args:
        n_tokens: Of a pass that takes as much memory as may be used.
    """
    weights = network.readout.output.weight  # label by value
    out = weights.new_empty(len(ids), ids.shape[1] - 1, len(weights))
    for rows in portions(list(full_batches(lengths, max(1, n_tokens // STATES_PER_PASS)))):
        own, asked = lengths[rows], None if question is None else question[rows]
        pooled = _pooled_around_gaps(network, ids[rows, : int(own.max())], own, asked)
        out[rows, : pooled.shape[1]] = network.readout.logits(pooled.to(out.dtype), asked)
    is_unit = position_mask(lengths - 2, ids.shape[1] - 2).unsqueeze(-1)
    out[:, 1:] = torch.where(is_unit, out[:, 1:], out[:, :1])
    return out


def _pooled_around_gaps(
    network: AttentionPoolingNetwork, ids: TokenIds, lengths: Lengths, question: Summary | None
) -> Float64[Tensor, "batch variant value"]:
    """What attention averages unit values to: of whole texts, and without each unit.

    Other states than those of the whole text are those near the gap alone.
    """
    encoder, embeddings = network.text_encoder.encoder, network.text_encoder.embedding(ids)
    states = encoder(embeddings, lengths)
    scores, values = network.read_out(states[:, 1:-1], question)
    mask = position_mask(lengths - 2, scores.shape[1])
    units = torch.arange(scores.shape[1], device=ids.device).unsqueeze(1)
    reach, near = 0, states[:, :0]  # of the average
    if isinstance(encoder, CNNEncoder):
        reach = max(kernel.kernel_size[0] for kernel in encoder.kernels) // 2
        visible = embeddings * position_mask(lengths, ids.shape[1]).unsqueeze(-1)
        near = _around_gaps(encoder, F.pad(visible, (0, 0, 2 * reach, 2 * reach)), units, reach)
    places = units + torch.arange(-reach, reach, device=ids.device)  # in the shorter text
    near_scores, near_values = network.read_out(near, question)
    near_scores = near_scores.view(len(ids), *places.shape)
    near_values = near_values.view(*near_scores.shape, values.shape[-1])
    is_far = ((units - units.T).abs() > reach) & mask.unsqueeze(1)  # batch gap unit
    is_near = (places >= 0) & (places < lengths.view(-1, 1, 1) - 3)  # batch gap place
    every = torch.cat([scores.unsqueeze(1).expand(-1, len(units), -1), near_scores], dim=-1)
    weights = masked_softmax(every, torch.cat([is_far, is_near], dim=-1))
    far, close = torch.split(weights, [len(units), 2 * reach], dim=-1)
    pooled = far @ values + (close.unsqueeze(2) @ near_values).squeeze(2)
    return torch.cat([masked_softmax(scores, mask).unsqueeze(1) @ values, pooled], dim=1)


def _around_gaps(
    encoder: CNNEncoder,
    padded: Float[Tensor, "batch position embedding"],
    units: Int[Tensor, "gap 1"],
    reach: int,
) -> Float[Tensor, "batch state hidden"]:
    """The states at each gap: sums of products of a token with a tap, each computed once."""
    beside = torch.arange(4 * reach, device=units.device)
    tokens = units + 1 + beside + (beside >= 2 * reach)  # the gap is left out
    parts = []
    for kernel in encoder.kernels:
        (n_taps,) = kernel.kernel_size
        products = padded @ kernel.weight.permute(1, 2, 0).flatten(1)
        window: Tensor = kernel.get_parameter("bias")
        of_taps = products.view(*products.shape[:2], n_taps, kernel.out_channels).unbind(2)
        for first, product in enumerate(of_taps, start=reach - n_taps // 2):
            window = window + product[:, tokens[:, first : first + 2 * reach]]
        parts.append(encoder.activate(window))
    return torch.cat(parts, dim=-1).flatten(1, 2)
