"""From texts to token sequences, with what is known of every token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from attn_audit.data.example import Example
from attn_audit.models.huggingface.failures import not_panicking
from attn_audit.models.huggingface.quiet import quiet
from attn_audit.models.units.base import Piece

TEXT = 0
"""The sequence that is audited; a second text is 1."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One example's tokens, special tokens included."""

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    strings: Sequence[str]
    """The vocabulary's entries."""
    special: tuple[bool, ...]
    """True where the tokenizer added a token that no text holds."""
    audited: tuple[bool, ...]
    """True where a token is of the first text."""
    spans: Sequence[tuple[int, int]] | None
    """Character offsets; None where the tokenizer knows none."""
    truncated: bool

    @property
    def pieces(self) -> list[Piece | None]:
        """The audited tokens, each where it stands; None for the others."""
        spans = self.spans or [(0, 0)] * len(self.ids)
        every = zip(self.audited, spans, self.strings, strict=True)
        return [Piece(span, string) if audited else None for audited, span, string in every]


def tokenize(tokenizer: Any, examples: Sequence[Example], max_length: int | None) -> list[Tokens]:
    """Split texts as the model was trained to have them split.

    Args:
        tokenizer: Of `transformers`.
        examples: All with a second text, or none.
        max_length: Truncate to so many tokens, of pairs the longer text first; None: never.
    """
    if not examples:
        return []
    location = str(getattr(tokenizer, "name_or_path", "") or "in memory")
    with quiet(), not_panicking(location):
        if tokenizer.is_fast:
            return _with_offsets(tokenizer, examples, max_length)
        return [_without_offsets(tokenizer, example, max_length) for example in examples]


def _with_offsets(
    tokenizer: Any, examples: Sequence[Example], max_length: int | None
) -> list[Tokens]:
    pairs = [example.text_pair for example in examples if example.text_pair is not None]
    batch = tokenizer(
        [example.text for example in examples],
        pairs or None,
        truncation="longest_first" if max_length is not None else False,
        max_length=max_length,
    )
    return [_tokens(encoding) for encoding in batch.encodings]


def _tokens(encoding: Any) -> Tokens:
    special = tuple(bool(mark) for mark in encoding.special_tokens_mask)
    return Tokens(
        ids=tuple(encoding.ids),
        type_ids=tuple(encoding.type_ids),
        strings=encoding.tokens,
        special=special,
        audited=tuple(
            sequence == TEXT and not mark
            for sequence, mark in zip(encoding.sequence_ids, special, strict=True)
        ),
        spans=encoding.offsets,
        truncated=bool(encoding.overflowing),
    )


def _without_offsets(tokenizer: Any, example: Example, max_length: int | None) -> Tokens:
    whole = tokenizer(example.text, return_special_tokens_mask=True, return_token_type_ids=True)
    truncated = max_length is not None and len(whole["input_ids"]) > max_length
    row = whole
    if truncated:
        row = tokenizer(
            example.text,
            truncation=True,
            max_length=max_length,
            return_special_tokens_mask=True,
            return_token_type_ids=True,
        )
    special = tuple(bool(mark) for mark in row["special_tokens_mask"])
    return Tokens(
        ids=tuple(row["input_ids"]),
        type_ids=tuple(row["token_type_ids"]),
        strings=tokenizer.convert_ids_to_tokens(row["input_ids"]),
        special=special,
        audited=tuple(not mark for mark in special),
        spans=None,
        truncated=truncated,
    )
