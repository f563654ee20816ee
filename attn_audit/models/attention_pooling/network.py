"""The whole network of the paper as one module: encoders, attention, readout."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attn_audit.models.attention_pooling.architecture import Architecture
from attn_audit.models.attention_pooling.attention import (
    ATTENTIONS,
    Question,
    UnitStates,
    masked_softmax,
)
from attn_audit.models.attention_pooling.encoders import TextEncoder
from attn_audit.models.attention_pooling.positions import Lengths
from attn_audit.models.attention_pooling.readout import PairReadout, SingleReadout
from attn_audit.shapes import Logits, UnitMask

TokenIds = Int[Tensor, "batch position"]


class AttentionPoolingNetwork(nn.Module):
    """A classifier whose only path from units to logits is one attention-weighted average.

    Source: Jain & Wallace (2019), section 3.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.text_encoder = TextEncoder(architecture)
        self.pair_encoder = TextEncoder(architecture) if architecture.is_pair else None
        self.attention = ATTENTIONS[architecture.attention](architecture)
        readout = PairReadout if architecture.is_pair else SingleReadout
        self.readout: PairReadout | SingleReadout = readout(architecture)

    def embed(self, token_ids: TokenIds) -> Float[Tensor, "batch position embedding"]:
        """Look up the embeddings of `text`'s positions."""
        embeddings: Tensor = self.text_encoder.embedding(token_ids)
        return embeddings

    def unit_states(
        self, embeddings: Float[Tensor, "batch position embedding"], lengths: Lengths
    ) -> UnitStates:
        """States of the units: markers are encoded and then left out, as in the original."""
        states: Tensor = self.text_encoder.encoder(embeddings, lengths)
        return states[:, 1:-1]

    def question(self, token_ids: TokenIds | None, lengths: Lengths | None) -> Question | None:
        """The summary of `text_pair`; None for single texts."""
        if self.pair_encoder is None or token_ids is None or lengths is None:
            return None
        encoder = self.pair_encoder.encoder
        return encoder.summary(encoder(self.pair_encoder.embedding(token_ids), lengths), lengths)

    def weights(
        self, states: UnitStates, unit_mask: UnitMask, question: Question | None
    ) -> Float[Tensor, "batch unit"]:
        """The model's own attention weights."""
        return masked_softmax(self.attention(states, question), unit_mask)

    def replay(
        self,
        attention: Float[Tensor, "batch variant unit"],
        unit_values: Float[Tensor, "batch unit value"],
        question: Question | None,
    ) -> Float[Tensor, "batch variant label"]:
        """Logits under any attention weights over the units."""
        if attention.requires_grad and unit_values.shape[-1] == 1:
            pooled = _one_value_pooled(attention, unit_values)
        else:
            pooled = attention @ unit_values
        return self.readout.logits(pooled, question)

    def forward(
        self,
        embeddings: Float[Tensor, "batch position embedding"],
        lengths: Lengths,
        question: Question | None,
        hold_attention: bool = False,
    ) -> Logits:
        """Logits of embedded texts.

        Args:
            embeddings: Of every position of `text`; padding is not read.
            lengths: Positions of each text, markers included.
            question: From `question`.
            hold_attention: Give gradients none of their way through the attention weights.
        """
        states = self.unit_states(embeddings, lengths)
        unit_mask = torch.arange(states.shape[1], device=states.device) < lengths.unsqueeze(1) - 2
        with torch.set_grad_enabled(torch.is_grad_enabled() and not hold_attention):
            attention = self.weights(states, unit_mask, question)
        values = self.readout.unit_values(states)
        return self.replay(attention.unsqueeze(1), values, question).squeeze(1)


def _one_value_pooled(
    attention: Float[Tensor, "batch variant unit"], unit_values: Float[Tensor, "batch unit 1"]
) -> Float[Tensor, "batch variant 1"]:
    """The product with a single column, whose derivative is slow where it is a matrix product.

    The values are laid out as the adversary's weights are, examples next to each other, so that
    sums run along them and the gradient comes back in the same layout.
    """
    columns = unit_values.permute(2, 1, 0).contiguous()
    return (attention.permute(1, 2, 0) * columns).sum(dim=1).T.unsqueeze(-1)
