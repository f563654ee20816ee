"""Every unit left out in turn, where a state knows no more than the tokens around it.

Of a shorter text only the windows that the gap runs through are others than in the whole text: none
of the average's, of a CNN's as many as its widest kernel reaches.
"""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn import functional as F

from attn_audit.models.paper.network import (
    AttentionPoolingNetwork,
    CNNEncoder,
    Lengths,
    Summary,
    TokenIds,
    masked_softmax,
    position_mask,
)

Crossing = tuple[int, Float[Tensor, "batch gap hidden"]]
"""A distance from the gap, and the states there."""


def pooled_across_windows(
    network: AttentionPoolingNetwork, ids: TokenIds, lengths: Lengths, question: Summary | None
) -> Float64[Tensor, "batch variant value"]:
    """What attention averages unit values to: of whole texts, and without each unit."""
    encoder, embeddings = network.text_encoder.encoder, network.text_encoder.embedding(ids)
    states = encoder(embeddings, lengths)
    scores, values = network.read_out(states[:, 1:-1], question)
    mask = position_mask(lengths - 2, scores.shape[1])
    units = torch.arange(scores.shape[1], device=ids.device)
    reach = 0
    across: Iterable[Crossing] = ()
    if isinstance(encoder, CNNEncoder):
        reach = max(kernel.kernel_size[0] // 2 for kernel in _kernels(encoder))
        visible = embeddings * position_mask(lengths, ids.shape[1]).unsqueeze(-1)
        across = _across_gaps(encoder, visible, states, reach)
    is_far = (units.unsqueeze(1) - units).abs() > reach
    every_score = [scores.unsqueeze(1).expand(-1, len(units), -1)]
    allowed = [is_far & mask.unsqueeze(1)]  # batch gap unit
    changed = []
    for distance, crossing in across:
        score, value = network.read_out(crossing, question)
        place = units + distance  # in the shorter text
        is_there = (place >= 0) & (place < mask.sum(dim=1, keepdim=True) - 1)
        every_score.append(score.unsqueeze(-1))
        allowed.append(is_there.unsqueeze(-1))
        changed.append(value)
    weights = masked_softmax(torch.cat(every_score, dim=-1), torch.cat(allowed, dim=-1))
    pooled = weights[..., : len(units)] @ values
    for i, value in enumerate(changed, start=len(units)):
        pooled += weights[..., i : i + 1] * value
    return torch.cat([masked_softmax(scores, mask).unsqueeze(1) @ values, pooled], dim=1)


def _across_gaps(
    encoder: CNNEncoder,
    visible: Float[Tensor, "batch position embedding"],
    states: Float[Tensor, "batch position hidden"],
    reach: int,
) -> Iterator[Crossing]:
    """For each distance from the gap the states there, of all texts without each unit.

    Windows are sums of products of one token with one tap, which are computed once.
    """
    n_units, margin = visible.shape[1] - 2, 2 * reach
    widths = [kernel.out_channels for kernel in _kernels(encoder)]
    of_kernels = torch.split(F.pad(states, (0, 0, margin, margin)), widths, dim=-1)
    products = []
    for kernel in _kernels(encoder):
        of_taps = kernel.weight.permute(1, 2, 0).flatten(1)  # embedding, tap by channel
        product = F.pad(visible @ of_taps, (0, 0, margin, margin))
        products.append(product.view(*product.shape[:2], -1, kernel.out_channels))
    for distance in range(-reach, reach):
        parts = []
        for kernel, product, own in zip(_kernels(encoder), products, of_kernels, strict=True):
            half = kernel.kernel_size[0] // 2
            if not -half <= distance < half:
                parts.append(own[:, _behind(distance, margin, n_units)])
                continue
            taps = range(2 * half + 1)
            tokens = [_behind(distance - half + tap, margin, n_units) for tap in taps]
            window = product[:, tokens[0], 0] + kernel.get_parameter("bias")
            for tap in taps[1:]:
                window += product[:, tokens[tap], tap]
            parts.append(encoder.activate(window))
        yield distance, torch.cat(parts, dim=-1)


def _behind(distance: int, margin: int, n_units: int) -> slice:
    """What stands so far from each gap, in padded positions of the whole text."""
    first = margin + 1 + distance + (distance >= 0)
    return slice(first, first + n_units)


def _kernels(encoder: CNNEncoder) -> list[nn.Conv1d]:
    return [kernel for kernel in encoder.convolutions if isinstance(kernel, nn.Conv1d)]
