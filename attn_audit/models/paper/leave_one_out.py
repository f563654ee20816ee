"""Every text without each of its units in turn, from what the whole text leaves unchanged.

A state of the average knows its own token alone, one of the CNN those around it, one of the BiLSTM
half of what stands before and half of what stands behind: most of a shorter text is what it was.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn import functional as F

from attn_audit.models.capacity import full_batches
from attn_audit.models.paper.network import (
    AttentionPoolingNetwork,
    BiLSTMEncoder,
    CNNEncoder,
    Lengths,
    Summary,
    TokenIds,
    masked_softmax,
    mirror,
    position_mask,
)
from attn_audit.progress import portions

STATES_PER_PASS = 4
"""How much more is kept of a position than in a pass through the whole text."""

_NOTHING = torch.finfo(torch.float64).min
"""The log weight of no unit; finite, so that a text without any is no NaN but 0."""


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
    is_recurrent = isinstance(network.text_encoder.encoder, BiLSTMEncoder)
    pool = _pooled_behind_gaps if is_recurrent else _pooled_around_gaps
    weights = network.readout.output.weight  # label by value
    out = weights.new_empty(len(ids), ids.shape[1] - 1, len(weights))
    for rows in portions(list(full_batches(lengths, max(1, n_tokens // STATES_PER_PASS)))):
        own, asked = lengths[rows], None if question is None else question[rows]
        pooled = pool(network, ids[rows, : int(own.max())], own, asked)
        out[rows, : pooled.shape[1]] = network.readout.logits(pooled.to(out.dtype), asked)
    is_unit = position_mask(lengths - 2, ids.shape[1] - 2).unsqueeze(-1)
    out[:, 1:] = torch.where(is_unit, out[:, 1:], out[:, :1])
    return out


def _pooled_behind_gaps(
    network: AttentionPoolingNetwork, ids: TokenIds, lengths: Lengths, question: Summary | None
) -> Float64[Tensor, "batch variant value"]:
    """What attention averages unit values to: of whole texts, and without each unit.

    Each direction runs over those variants alone whose gap it has passed; before that its states
    are those of the whole text.
    """
    encoder, embedding = network.text_encoder.encoder, network.text_encoder.embedding
    assert isinstance(encoder, BiLSTMEncoder)
    reversed_ids = ids.gather(1, mirror(lengths, ids.shape[1]))
    forward = _Direction(encoder.weights(""), embedding(ids.T)[:-1])
    backward = _Direction(encoder.weights("_reverse"), embedding(reversed_ids.T)[:-1])
    mask = position_mask(lengths - 2, ids.shape[1] - 2)
    reverse = mirror(lengths - 2, mask.shape[1]).unsqueeze(-1)  # of units
    ahead, back = forward.units, backward.units.take_along_dim(reverse, dim=1)
    scores, values = network.read_out(torch.cat([ahead, back], dim=-1), question)
    whole = masked_softmax(scores, mask).unsqueeze(1) @ values
    turned = ahead.take_along_dim(reverse, dim=1)
    parts = []
    for direction, other in ((forward, back), (backward, turned)):
        parts.append((torch.full_like(values[..., 0], _NOTHING), torch.zeros_like(values)))
        weight, mean = parts[-1]
        for unit, own in direction.behind_gaps():
            halves = own, other[:, unit : unit + 1].expand_as(own)
            states = torch.cat(halves if direction is forward else halves[::-1], dim=-1)
            scores, found = network.read_out(states, question)
            gone = ~mask[:, unit : unit + 1]
            found = found.masked_fill(gone.unsqueeze(-1), 0)
            _join(weight[:, :unit], mean[:, :unit], scores.masked_fill(gone, _NOTHING), found)
    (weight, mean), (weight_before, mean_before) = parts
    before = (
        weight_before.take_along_dim(reverse[..., 0], 1),
        mean_before.take_along_dim(reverse, 1),
    )
    _join(weight, mean, *before)
    return torch.cat([whole, mean], dim=1)


def _join(
    weight: Tensor, mean: Float64[Tensor, "batch part value"], more_weight: Tensor, more: Tensor
) -> None:
    """Add to the logarithms of parts' attention, and to what they average to.

    Nothing is subtracted and nothing underflows: a unit may be left out that outweighs all others.
    """
    total = torch.logaddexp(weight, more_weight)
    mean += (more_weight - total).exp().unsqueeze(-1) * (more - mean)
    weight.copy_(total)


class _Direction:
    """One direction of an LSTM: over a marker and the units, then over what follows each gap.

    With tanh x as 2 sigmoid(2x) - 1 (see `fast_tanh`), the factors 2 folded away: the candidate's
    weights are doubled, so that one sigmoid serves all four gates, and so is the cell state.
    """

    def __init__(
        self, weights: list[Tensor], embeddings: Float[Tensor, "position batch embedding"]
    ) -> None:
        w_input, w_hidden, b_input, b_hidden = weights
        size = w_hidden.shape[1]
        factors = w_input.new_tensor([1, 1, 2, 1]).repeat_interleave(size)
        self._w_hidden = (w_hidden * factors.unsqueeze(1)).T.contiguous()
        bias = (b_input + b_hidden) * factors
        self._inputs = F.linear(embeddings, w_input * factors.unsqueeze(1), bias)
        self._gates = torch.empty_like(self._inputs)
        # After each position; variant u, which leaves out unit u, starts from the state before it.
        self._hidden = embeddings.new_empty(*embeddings.shape[:2], size)
        self._cells = torch.empty_like(self._hidden)
        hidden, cells = torch.zeros_like(self._hidden[:1]), torch.zeros_like(self._hidden[:1])
        for position in range(len(embeddings)):
            self._step(hidden, cells, position)
            self._hidden[position], self._cells[position] = hidden[0], cells[0]
        self.units = self._hidden[1:].transpose(0, 1).clone()

    def _step(self, hidden: Tensor, doubled_cells: Tensor, position: int) -> None:
        """Read one token in all variants (variant, batch, hidden); states are written over."""
        gates = self._gates[: len(hidden)]
        torch.matmul(hidden, self._w_hidden, out=gates)
        gates.add_(self._inputs[position]).sigmoid_()
        enter, keep, candidate, show = gates.chunk(4, dim=-1)
        # 2c' = keep 2c + 2 enter (2 candidate - 1);  h' = show (2 sigmoid(2c') - 1)
        doubled_cells.mul_(keep).addcmul_(enter, candidate, value=4).sub_(enter, alpha=2)
        torch.sigmoid(doubled_cells, out=hidden).mul_(2).sub_(1).mul_(show)

    def behind_gaps(self) -> Iterator[tuple[int, Float[Tensor, "batch variant hidden"]]]:
        """Each unit, and its states without each one before it; what is saved is used up."""
        for unit in range(1, len(self._hidden) - 1):
            self._step(self._hidden[:unit], self._cells[:unit], unit + 1)
            yield unit, self._hidden[:unit].transpose(0, 1)


def _pooled_around_gaps(
    network: AttentionPoolingNetwork, ids: TokenIds, lengths: Lengths, question: Summary | None
) -> Float64[Tensor, "batch variant value"]:
    """The same where states know the tokens around them: others are those near the gap alone."""
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
