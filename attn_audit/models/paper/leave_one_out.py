"""Every text without each of its units in turn, from what the whole text leaves unchanged.

A state of the average knows its own token alone, one of the CNN those around it, one of the BiLSTM
half of what stands before and half of what stands behind. So most of a shorter text is what it was:
this takes a fraction of the time that the texts take one by one, and gives the same.

Of a shorter text only the windows that the gap runs through are others than in the whole text: none
of the average's, of a CNN's as many as its widest kernel reaches.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn
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
    """Logits of the whole texts (variant 0) and without their first, second, ... unit.

    Beyond a text's last unit those of the whole text; as much at once as takes a pass of so many
    tokens.
    """
    n_units, n_logits = ids.shape[1] - 2, network.architecture.n_logits
    is_recurrent = isinstance(network.text_encoder.encoder, BiLSTMEncoder)
    pooled_without = _pooled_behind_gaps if is_recurrent else pooled_across_windows
    out = network.readout.output.weight.new_empty(len(ids), n_units + 1, n_logits)
    at_once = max(1, n_tokens // STATES_PER_PASS)
    for rows in portions(list(full_batches(lengths, at_once))):
        own = lengths[rows]
        asked = None if question is None else question[rows]
        pooled = pooled_without(network, ids[rows, : int(own.max())], own, asked)
        logits = network.readout.logits(pooled.to(out.dtype), asked)
        out[rows, : logits.shape[1]] = logits
    is_unit = position_mask(lengths - 2, n_units).unsqueeze(-1)
    out[:, 1:] = torch.where(is_unit, out[:, 1:], out[:, :1])
    return out


def _pooled_behind_gaps(
    network: AttentionPoolingNetwork, ids: TokenIds, lengths: Lengths, question: Summary | None
) -> Float64[Tensor, "batch variant value"]:
    """What attention averages unit values to: of whole texts, and without each unit.

    Without unit u the forward states before u and the backward states behind it are those of the
    whole text. So each direction runs over the variants alone whose gap it has passed, all variants
    of all texts as one batch, and the other direction's half of a state is the whole text's.
    """
    encoder, embedding = network.text_encoder.encoder, network.text_encoder.embedding
    assert isinstance(encoder, BiLSTMEncoder)
    reversed_ids = ids.gather(1, mirror(lengths, ids.shape[1]))
    forward = _Direction(encoder.weights(""), embedding(ids.T)[:-1])
    backward = _Direction(encoder.weights("_reverse"), embedding(reversed_ids.T)[:-1])
    mask = position_mask(lengths - 2, ids.shape[1] - 2)
    reverse = mirror(lengths - 2, mask.shape[1]).unsqueeze(-1)  # of units
    ahead, back = forward.units(), backward.units().take_along_dim(reverse, dim=1)
    scores, values = network.read_out(torch.cat([ahead, back], dim=-1), question)
    whole = masked_softmax(scores, mask).unsqueeze(1) @ values

    def read_forth(hidden: Tensor, unit: int) -> tuple[Tensor, Tensor]:
        other = back[:, unit : unit + 1].expand_as(hidden)
        return network.read_out(torch.cat([hidden, other], dim=-1), question)

    turned = ahead.take_along_dim(reverse, dim=1)

    def read_back(hidden: Tensor, unit: int) -> tuple[Tensor, Tensor]:
        other = turned[:, unit : unit + 1].expand_as(hidden)
        return network.read_out(torch.cat([other, hidden], dim=-1), question)

    without, before = _Parts.none(values), _Parts.none(values)
    forward.pool_behind_each_gap(without, mask, read_forth)
    backward.pool_behind_each_gap(before, mask, read_back)
    without.join(
        slice(None),
        before.log_weight.take_along_dim(reverse[..., 0], dim=1),
        before.mean.take_along_dim(reverse, dim=1),
    )
    return torch.cat([whole, without.mean], dim=1)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Parts of texts under attention: the logarithm of their weight, and what they average to.

    No weight is ever subtracted, and none underflows before it is compared with what it competes
    with: so a unit may be left out that outweighs all others.
    """

    log_weight: Float64[Tensor, "batch part"]
    mean: Float64[Tensor, "batch part value"]

    @staticmethod
    def none(values: Float64[Tensor, "batch part value"]) -> "_Parts":
        return _Parts(torch.full_like(values[..., 0], _NOTHING), torch.zeros_like(values))

    def join(self, which: slice, log_weight: Tensor, mean: Tensor) -> None:
        """Add to some of them."""
        total = torch.logaddexp(self.log_weight[:, which], log_weight)
        share = (log_weight - total).exp().unsqueeze(-1)
        self.mean[:, which] += share * (mean - self.mean[:, which])
        self.log_weight[:, which] = total


class _Direction:
    """One direction of an LSTM; first over the whole texts, then over what follows each gap.

    With tanh x as 2 sigmoid(2x) - 1 (see `fast_tanh`), the factors 2 folded away: the candidate's
    weights are doubled, so that one sigmoid serves all four gates, and so is the cell state.
    """

    def __init__(
        self, weights: list[Tensor], embeddings: Float[Tensor, "position batch embedding"]
    ) -> None:
        """Read the whole texts: the first marker and the units, in this direction's order."""
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

    def _step(self, hidden: Tensor, doubled_cells: Tensor, position: int) -> None:
        """Read one token in all variants (variant, batch, hidden); states are written over."""
        n_variants, n_texts, size = hidden.shape
        rows = self._gates.view(-1, 4 * size)[: n_variants * n_texts]
        torch.mm(hidden.view(-1, size), self._w_hidden, out=rows)
        gates = rows.view(n_variants, n_texts, -1).add_(self._inputs[position]).sigmoid_()
        enter, keep, candidate, show = gates.chunk(4, dim=-1)
        # 2c' = keep 2c + 2 enter (2 candidate - 1);  h' = show (2 sigmoid(2c') - 1)
        doubled_cells.mul_(keep).addcmul_(enter, candidate, value=4).sub_(enter, alpha=2)
        torch.sigmoid(doubled_cells, out=hidden).mul_(2).sub_(1).mul_(show)

    def units(self) -> Float[Tensor, "batch unit hidden"]:
        """The states of the whole texts' units."""
        return self._hidden[1:].transpose(0, 1).clone()

    def pool_behind_each_gap(
        self,
        parts: _Parts,
        mask: Bool[Tensor, "batch unit"],
        read_out: Callable[[Tensor, int], tuple[Tensor, Tensor]],
    ) -> None:
        """Add what follows each unit when it is left out; the saved states are used up.

        Args:
            read_out: Scores and values of this direction's states (batch, variant, hidden) at one
                unit, in this direction's order.
        """
        for unit in range(1, mask.shape[1]):
            passed = slice(unit)  # the variants whose gap lies before this unit
            self._step(self._hidden[passed], self._cells[passed], unit + 1)
            scores, values = read_out(self._hidden[passed].transpose(0, 1), unit)
            is_there = mask[:, unit : unit + 1]
            scores = scores.masked_fill(~is_there, _NOTHING)
            parts.join(passed, scores, values.masked_fill(~is_there.unsqueeze(-1), 0))


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
