"""Attention and readout of one batch, cut where they stop being linear in the states.

What lies before the cut is computed for a part of a state (one direction of an LSTM, one width of a
convolution) and added up, so that no unchanged part is projected again.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from attn_audit.models.attention_pooling.attention import (
    AdditiveAttention,
    DotAttention,
    Question,
)
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork
from attn_audit.models.attention_pooling.readout import PairReadout

SomeChannels = Float[Tensor, "*position batch channel"]
Projected = Float[Tensor, "*position batch projected"]
"""Of some channels; add up those of all channels and the offset."""
Scored = tuple[Float[Tensor, "*position batch"], Float[Tensor, "*position batch value"]]
"""Attention scores and unit values."""
ValueWeight = Float[Tensor, "value hidden"]


class Scorer(ABC):
    """From states to attention scores and unit values, in two steps."""

    offset: Float[Tensor, "#batch projected"]
    """What is to be added to a projection once."""
    n_values: int

    @abstractmethod
    def project(self, states: SomeChannels, channels: slice | Tensor) -> Projected:
        """The linear step, for some channels alone.

        Args:
            states: Of these channels.
            channels: Which ones of the whole state they are.
        """

    @abstractmethod
    def finish(self, projected: Projected) -> Scored:
        """The rest."""


class AdditiveScorer(Scorer):
    """Of additive attention, with tanh x as 2 sigmoid(2x) - 1 (see `fast_tanh`).

    The factors 2 are folded into the weights.
    """

    def __init__(
        self, attention: AdditiveAttention, values: ValueWeight, question: Question | None
    ) -> None:
        self._weight = torch.cat([2 * attention.state.weight, values])
        self._score = 2 * attention.score.weight[0]
        self._excess = attention.score.weight.sum()
        self.n_values = len(values)
        offset = attention.state.bias.unsqueeze(0)
        if attention.question is not None and question is not None:
            offset = offset + attention.question(question)
        self.offset = F.pad(2 * offset, (0, self.n_values))

    def project(self, states: SomeChannels, channels: slice | Tensor) -> Projected:
        """2 W state, and the values."""
        return states @ self._weight[:, channels].T

    def finish(self, projected: Projected) -> Scored:
        """The scores v . tanh(...), and the values as they are."""
        n_hidden = len(self._score)
        scores = projected[..., :n_hidden].sigmoid() @ self._score
        return scores - self._excess, projected[..., n_hidden:]


class DotScorer(Scorer):
    """Of scaled dot-product attention."""

    def __init__(
        self, attention: DotAttention, values: ValueWeight, question: Question | None
    ) -> None:
        query = question if attention.score is None else attention.score.weight
        assert query is not None, "a model of pairs always has a question"
        self._query = query * attention.scale
        self._values = values
        self.n_values = len(values)
        self.offset = values.new_zeros(1, 1 + self.n_values)

    def project(self, states: SomeChannels, channels: slice | Tensor) -> Projected:
        """The scores, which are linear to the end, and the values."""
        scores = (states * self._query[:, channels]).sum(dim=-1, keepdim=True)
        return torch.cat([scores, states @ self._values[:, channels].T], dim=-1)

    def finish(self, projected: Projected) -> Scored:
        """Take scores and values apart."""
        return projected[..., 0], projected[..., 1:]


def scorer_of(network: AttentionPoolingNetwork, question: Question | None) -> Scorer:
    """The scorer of a model for one batch.

    Args:
        network: The model.
        question: The batch's.
    """
    readout, attention = network.readout, network.attention
    values = readout.text.weight if isinstance(readout, PairReadout) else readout.output.weight
    if isinstance(attention, AdditiveAttention):
        return AdditiveScorer(attention, values, question)
    assert isinstance(attention, DotAttention)
    return DotScorer(attention, values, question)
