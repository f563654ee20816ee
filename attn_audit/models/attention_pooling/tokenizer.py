"""Splitting texts into units, and units into token ids."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

from attn_audit.models.base import Unit

PADDING, UNKNOWN, START, END = range(4)
MARKERS = ("<0>", "<UNK>", "<SOS>", "<EOS>")
"""What the first four ids stand for, in the original's spelling."""


class Tokenizer(StrEnum):
    """How texts are split."""

    WHITESPACE = "whitespace"
    """At white space, as the original's preprocessed texts need."""
    WORDS = "words"
    """Into lower-cased words and single punctuation marks."""

    def units(self, text: str) -> tuple[Unit, ...]:
        """The units of a text, in its own spelling, with their character spans.

        Example:
            >>> [unit.text for unit in Tokenizer.WORDS.units("Don't panic, Arthur!")]
            ["Don't", 'panic', ',', 'Arthur', '!']
            >>> [unit.text for unit in Tokenizer.WHITESPACE.units("Don't panic, Arthur!")]
            ["Don't", 'panic,', 'Arthur!']
        """
        pattern = _PATTERNS[self]
        return tuple([Unit(m[0], *m.span()) for m in pattern.finditer(text)])

    def token(self, unit: Unit) -> str:
        """What a unit is looked up by in the vocabulary."""
        return unit.text.lower() if self is Tokenizer.WORDS else unit.text


_PATTERNS = {
    Tokenizer.WHITESPACE: re.compile(r"\S+"),
    Tokenizer.WORDS: re.compile(r"\w+(?:['’]\w+)*|[^\w\s]"),
}


class Vocabulary:
    """Tokens by id; ids 0 to 3 are padding, unknown, start and end."""

    def __init__(self, tokens: Sequence[str]) -> None:
        """Args: tokens: All tokens in the order of their ids, the four markers first."""
        self.tokens = tuple(tokens)
        self._ids = {token: i for i, token in enumerate(self.tokens) if i >= len(MARKERS)}

    def __len__(self) -> int:
        return len(self.tokens)

    def ids(self, tokens: Iterable[str]) -> tuple[int, ...]:
        """Token ids between start and end marker; a text that spells a marker is unknown.

        Example:
            >>> Vocabulary([*MARKERS, "good", "film"]).ids(["good", "old", "film"])
            (2, 4, 1, 5, 3)
        """
        return (START, *[self._ids.get(token, UNKNOWN) for token in tokens], END)
