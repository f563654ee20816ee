"""The paper's models behind the contract: replay is a product with the unit values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.errors import IncompatibleDataError
from attn_audit.models.attention_pooling.attention import Question
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork
from attn_audit.models.attention_pooling.tokenizer import (
    END,
    PADDING,
    START,
    Tokenizer,
    Vocabulary,
)
from attn_audit.models.base import (
    AuditedModel,
    Batch,
    Encoded,
    LinearReadout,
    Reading,
    Site,
)
from attn_audit.models.fitting import allowed_labels, place, require_known_labels
from attn_audit.models.task import Task, mask_candidates
from attn_audit.results.description import ModelDescription
from attn_audit.shapes import Logits

MAX_ERASED_TOKENS = 8192
"""Positions in one packed batch of erased variants: large enough to fill the cores, small enough
for the states to stay in cache."""


@dataclass(frozen=True, slots=True)
class TokenEncoded(Encoded):
    """An example as token ids, markers included."""

    token_ids: tuple[int, ...]
    pair_token_ids: tuple[int, ...] | None


@dataclass(frozen=True)
class TokenBatch(Batch):
    """Padded token ids, and what every pass over the batch needs of the second text."""

    token_ids: Int[Tensor, "batch position"]
    lengths: Int[Tensor, " batch"]
    allowed: Bool[Tensor, "batch label"] | None
    question: Question | None


def _pad(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.full((len(rows), int(lengths.max())), PADDING)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = torch.tensor(row)
    return padded.to(device), lengths.to(device)


class AttentionPoolingModel(AuditedModel):
    """A trained network of the paper with its tokenizer, vocabulary and labels."""

    sites = (Site(layer=0, head=None, row="readout"),)

    def __init__(
        self,
        network: AttentionPoolingNetwork,
        task: Task,
        tokenizer: Tokenizer,
        vocabulary: Vocabulary,
        description: ModelDescription,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
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
        return [self._encode(example) for example in examples]

    def _encode(self, example: Example) -> Encoded:
        require_known_labels(self.task, example)
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
        token_ids, lengths = _pad([row.token_ids for row in rows], self.device)
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
            *_pad([row.pair_token_ids or (START, END) for row in rows], self.device)
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
            logits = self.network.replay(weights[:, :, 0].to(values.dtype), values, batch.question)
            return mask_candidates(logits, batch.allowed)

        rows = attention.unsqueeze(1)
        reading = Reading(
            logits=replay(rows.unsqueeze(1)).squeeze(1),
            attention=rows,
            admissible=batch.unit_mask.unsqueeze(1),
            mass=torch.ones_like(rows[..., 0]),
            replay=replay,
            linear_readout=self._linear_readout(values, batch),
        )
        return [reading for _ in sites]

    def _linear_readout(self, values: Tensor, batch: TokenBatch) -> LinearReadout | None:
        if not self.network.readout.is_linear:
            return None
        offset = self.network.readout.output.bias.expand(len(batch), -1)
        return LinearReadout(mask_candidates(offset, batch.allowed), values)

    @torch.no_grad()
    def embed(self, batch: Batch) -> Float[Tensor, "batch unit embedding"]:
        """Embeddings of the units; markers and the second text are not audited."""
        assert isinstance(batch, TokenBatch)
        return self.network.embed(batch.token_ids[:, 1:-1])

    def forward(
        self,
        batch: Batch,
        embeddings: Float[Tensor, "batch unit embedding"],
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

    @torch.no_grad()
    def erase(
        self, batch: Batch, keep: Bool[Tensor, "batch variant unit"]
    ) -> Float[Tensor, "batch variant label"]:
        """Delete units and run the shorter texts, packed by length into full batches.

        Variants that keep everything are computed once for each example.
        """
        assert isinstance(batch, TokenBatch)
        kept = keep & batch.unit_mask.unsqueeze(1)
        whole = kept.sum(-1) == batch.unit_mask.sum(-1, keepdim=True)
        first_whole = whole & (whole.cumsum(-1) == 1)
        example, variant = torch.nonzero(~whole | first_whole, as_tuple=True)
        logits = self._erased_logits(batch, kept, example, variant)
        out = logits.new_empty(*keep.shape[:2], logits.shape[-1])
        out[example, variant] = logits
        if bool(whole.any()):
            of_whole = out[torch.arange(len(batch)), first_whole.int().argmax(-1)]
            out = torch.where(whole.unsqueeze(-1), of_whole.unsqueeze(1), out)
        return mask_candidates(out, batch.allowed)

    def _erased_logits(
        self, batch: TokenBatch, kept: Tensor, example: Tensor, variant: Tensor
    ) -> Tensor:
        """Logits of the listed (example, variant) pairs, in their order."""
        lengths = kept[example, variant].sum(-1) + 2
        order = lengths.argsort(stable=True)
        parts = [
            self._run_erased(batch, kept, example[rows], variant[rows], lengths[rows])
            for rows in _full_batches(order, lengths)
        ]
        logits = torch.cat(parts)
        out = torch.empty_like(logits)
        out[order] = logits
        return out

    def _run_erased(
        self,
        batch: TokenBatch,
        kept: Tensor,
        example: Tensor,
        variant: Tensor,
        lengths: Int[Tensor, " row"],
    ) -> Tensor:
        keep = kept[example, variant]  # row unit
        n_positions = int(lengths[-1])
        token_ids = batch.token_ids.new_full((len(example), n_positions), PADDING)
        token_ids[:, 0] = START
        token_ids[torch.arange(len(example), device=self.device), lengths - 1] = END
        row, unit = torch.nonzero(keep, as_tuple=True)
        position = keep.cumsum(-1)[row, unit]  # the start marker is position 0
        token_ids[row, position] = batch.token_ids[:, 1:-1][example[row], unit]
        question = None if batch.question is None else batch.question[example]
        logits: Tensor = self.network(self.network.embed(token_ids), lengths, question)
        return logits


def _full_batches(order: Tensor, lengths: Tensor) -> Iterator[Tensor]:
    """Cut rows, sorted by length, into batches of at most MAX_ERASED_TOKENS padded positions."""
    start = 0
    sorted_lengths = lengths[order].tolist()
    while start < len(sorted_lengths):
        stop = start + 1
        while (
            stop < len(sorted_lengths)
            and (stop + 1 - start) * sorted_lengths[stop] <= MAX_ERASED_TOKENS
        ):
            stop += 1
        yield order[start:stop]
        start = stop
