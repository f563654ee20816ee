"""Attention of the paper: states in, one weight for each unit out."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_audit.models.attention_pooling.architecture import Architecture, AttentionKind
from attn_audit.models.attention_pooling.fast_tanh import fast_tanh
from attn_audit.shapes import UnitMask

UnitStates = Float[Tensor, "batch unit hidden"]
Question = Float[Tensor, "batch hidden"]
"""The summary of the second text."""


def masked_softmax(
    scores: Float[Tensor, "batch unit"], unit_mask: UnitMask
) -> Float[Tensor, "batch unit"]:
    """Softmax over the units alone: 0 elsewhere, and all 0 for a text without units.

    Args:
        scores: Attention scores; what they hold outside the units is not read.
        unit_mask: True where there is a unit.

    Returns:
        Weights that sum to 1 over the units, or to 0 where there are none.
    """
    low = torch.finfo(scores.dtype).min  # not -inf: a row without units must not become NaN
    return scores.masked_fill(~unit_mask, low).softmax(dim=-1) * unit_mask


class AdditiveAttention(nn.Module):
    """v . tanh(W state + b), and + U question + c for pairs (Bahdanau et al. 2015)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        size = architecture.state_size
        self.state = nn.Linear(size, size // 2)
        self.question = nn.Linear(size, size // 2) if architecture.is_pair else None
        self.score = nn.Linear(size // 2, 1, bias=False)

    def forward(self, states: UnitStates, question: Question | None) -> Tensor:
        """Scores, batch by unit."""
        hidden = self.state(states)
        if self.question is not None and question is not None:
            hidden = hidden + self.question(question).unsqueeze(1)
        scores: Tensor = self.score(fast_tanh(hidden))
        return scores.squeeze(-1)


class DotAttention(nn.Module):
    """state . w / sqrt(size), with the question in place of a learned w for pairs."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        size = architecture.state_size
        self.scale: float = size**-0.5
        self.score = None if architecture.is_pair else nn.Linear(size, 1, bias=False)

    def forward(self, states: UnitStates, question: Question | None) -> Tensor:
        """Scores, batch by unit."""
        if self.score is not None:
            return self._scaled(self.score(states).squeeze(-1))
        assert question is not None, "a model of pairs always has a question"
        return self._scaled(torch.einsum("buh,bh->bu", states, question))

    def _scaled(self, scores: Tensor) -> Tensor:
        return scores * self.scale


ATTENTIONS: dict[AttentionKind, type[nn.Module]] = {
    AttentionKind.ADDITIVE: AdditiveAttention,
    AttentionKind.DOT: DotAttention,
}
