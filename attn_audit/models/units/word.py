"""Words as units: what people are shown in place of a model's own tokens."""

import re
from bisect import bisect_right
from collections.abc import Sequence

from attn_audit.models.contract import Unit
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.models.units.base import Piece, UnitKind, Units

_WORD = re.compile(r"\S+")


class Word(UnitKind):
    """Every word that has a token; white space ends a word.

    A token belongs to the word of its first character that is no white space, found by character
    offsets: what tokenizers call a word is the whole text in some and a punctuation mark in others.
    """

    name = "word"
    needs_places = True

    def split(self, text: str, tokens: Sequence[Piece | None]) -> Units:
        """All tokens of a word together."""
        words = [Unit(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]
        starts = [word.start for word in words]
        unit_of_word: dict[int, int] = {}
        unit_of_token = []
        for start, end in (token.span if token else (0, 0) for token in tokens):
            piece = text[start:end].lstrip()
            if piece:
                word = bisect_right(starts, end - len(piece)) - 1
                unit_of_token.append(unit_of_word.setdefault(word, len(unit_of_word)))
            else:
                unit_of_token.append(NOT_AUDITED)
        return tuple(words[word] for word in unit_of_word), tuple(unit_of_token)
