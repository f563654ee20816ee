"""The paper's models behind the contract: replay is a product with the unit values."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.errors import IncompatibleDataError
from attn_audit.models.attention_pooling.attention import Question
from attn_audit.models.attention_pooling.batch import TokenBatch, TokenEncoded, pad
from attn_audit.models.attention_pooling.erasing.choosing import erased_logits
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork
from attn_audit.models.attention_pooling.tokenizer import (
    END,
    START,
    Tokenizer,
    Vocabulary,
)
from attn_audit.models.base import (
    AttentionLayer,
    AuditedModel,
    Batch,
    Encoded,
    LinearReadout,
    Reading,
    Site,
)
from attn_audit.models.fitting import allowed_labels, match_labels, place
from attn_audit.models.task import Task, mask_candidates
from attn_audit.results.description import ModelDescription
from attn_audit.shapes import Logits


class AttentionPoolingModel(AuditedModel):
    """A trained network of the paper with its tokenizer, vocabulary and labels."""

    layers = (AttentionLayer(name="attention", n_heads=1),)
    default_site = Site(layer=0)

    def __init__(
        self,
        network: AttentionPoolingNetwork,
        task: Task,
        tokenizer: Tokenizer,
        vocabulary: Vocabulary,
        description: ModelDescription,
    ) -> None:
        self.module = self.network = network.eval().requires_grad_(False)
        self.task = task
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self._description = description
        self.device = next(network.parameters()).device

    def describe(self) -> ModelDescription:
        """Architecture, size, task and sites."""
        return self._description

    # --- examples in ----------------------------------------------------------------------------

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """Split into units and look up token ids; out-of-vocabulary units stay, as unknown."""
        return [self._encode(example) for example in match_labels(self.task, examples)]

    def _encode(self, example: Example) -> Encoded:
        units = self.tokenizer.units(example.text)
        if not units:
            raise IncompatibleDataError(
                place(example), f"the text has no token: {example.text[:40]!r}"
            )
        return TokenEncoded(
            example=example,
            units=units,
            truncated=False,
            candidates=allowed_labels(self.task, example),
            token_ids=self.vocabulary.ids(self.tokenizer.token(unit) for unit in units),
            pair_token_ids=self._pair_ids(example),
        )

    def _pair_ids(self, example: Example) -> tuple[int, ...] | None:
        is_pair = self.network.architecture.is_pair
        if not is_pair:
            return None
        if example.text_pair is None:
            raise IncompatibleDataError(
                place(example),
                "the model takes pairs of texts, and this example has no second text",
                hint="Name the field that holds it with --text-pair-field.",
            )
        units = self.tokenizer.units(example.text_pair)
        return self.vocabulary.ids(self.tokenizer.token(unit) for unit in units)

    def collate(self, encoded: Sequence[Encoded]) -> TokenBatch:
        """Pad token ids on the model's device; the second texts are encoded here, once."""
        rows = [item for item in encoded if isinstance(item, TokenEncoded)]
        token_ids, lengths = pad([row.token_ids for row in rows], self.device)
        units = torch.arange(token_ids.shape[1] - 2, device=self.device)
        return TokenBatch(
            encoded=tuple(rows),
            unit_mask=units < lengths.unsqueeze(1) - 2,
            token_ids=token_ids,
            lengths=lengths,
            allowed=self._allowed(rows),
            question=self._question(rows),
        )

    def _allowed(self, rows: Sequence[TokenEncoded]) -> Tensor | None:
        if all(row.candidates is None for row in rows):
            return None
        everything = (True,) * len(self.task.labels)
        return torch.tensor([row.candidates or everything for row in rows], device=self.device)

    @torch.no_grad()
    def _question(self, rows: Sequence[TokenEncoded]) -> Question | None:
        if not self.network.architecture.is_pair:
            return None
        return self.network.question(
            *pad([row.pair_token_ids or (START, END) for row in rows], self.device)
        )

    # --- the contract ---------------------------------------------------------------------------

    @torch.no_grad()
    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        """One pass; these models have one site, one row, and all attention on audited units."""
        assert isinstance(batch, TokenBatch)
        states = self.network.unit_states(self.network.embed(batch.token_ids), batch.lengths)
        attention = self.network.weights(states, batch.unit_mask, batch.question)
        values = self.network.readout.unit_values(states)

        def replay(
            weights: Float[Tensor, "batch variant row unit"],
        ) -> Float[Tensor, "batch variant label"]:
            own_row = weights.squeeze(2).to(values.dtype)
            logits = self.network.replay(own_row, values, batch.question)
            return mask_candidates(logits, batch.allowed)

        rows = attention.unsqueeze(1)
        reading = Reading(
            logits=replay(rows.unsqueeze(1)).squeeze(1),
            attention=rows,
            admissible=batch.unit_mask.unsqueeze(1),
            mass=torch.ones_like(rows[..., 0]),
            rest=torch.zeros_like(rows[..., 0]),
            row_mask=torch.ones_like(rows[..., 0], dtype=torch.bool),
            replay=replay,
            find_linear_readout=lambda: self._linear_readout(values, batch),
        )
        return [reading for _ in sites]

    def _linear_readout(self, values: Tensor, batch: TokenBatch) -> LinearReadout | None:
        if not self.network.readout.is_linear:
            return None
        offset = self.network.readout.output.bias.expand(len(batch), -1)
        return LinearReadout(mask_candidates(offset, batch.allowed), values)

    @torch.no_grad()
    def embed(self, batch: Batch) -> Float[Tensor, "batch token embedding"]:
        """Embeddings of the units; markers and the second text are not audited."""
        assert isinstance(batch, TokenBatch)
        return self.network.embed(batch.token_ids[:, 1:-1])

    def forward(
        self,
        batch: Batch,
        embeddings: Float[Tensor, "batch token embedding"],
        hold_attention: bool,
    ) -> Logits:
        """Logits of the batch with its units' embeddings replaced."""
        assert isinstance(batch, TokenBatch)
        own = self.network.embed(batch.token_ids)
        # A shorter text's end marker stands inside the unit range of the longest: keep it.
        inner = torch.where(batch.unit_mask.unsqueeze(-1), embeddings, own[:, 1:-1])
        positions = torch.cat([own[:, :1], inner, own[:, -1:]], dim=1)
        logits = self.network(positions, batch.lengths, batch.question, hold_attention)
        return mask_candidates(logits, batch.allowed)

    def erase(
        self, batch: Batch, keep: Bool[Tensor, "batch variant unit"]
    ) -> Float[Tensor, "batch variant label"]:
        """Delete units and run the shorter texts."""
        assert isinstance(batch, TokenBatch)
        return erased_logits(self.network, batch, keep)
