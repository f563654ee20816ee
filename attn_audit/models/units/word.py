"""Words as units: what people are shown in place of a model's own tokens."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from attn_audit.models.contract import Unit
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.models.units.base import Piece, UnitKind, Units
from attn_audit.models.units.segments import words_in


class Word(UnitKind):
    """Every word that has a token; words that share one are one unit.

    A token belongs to the words of all its characters that are no white space, found by character
    offsets: what tokenizers call a word is the whole text in some and a punctuation mark in others.
    """

    name = "word"
    needs_places = True

    def split(self, text: str, tokens: Sequence[Piece | None]) -> Units:
        """All tokens of a word together."""
        words = words_in(text)
        starts = [start for start, _ in words]
        of_tokens = [_words_of(text, starts, token) for token in tokens]
        joined = {word for held in of_tokens for word in held[1:]}
        # The word with which the unit of each word begins.
        firsts: list[int] = []
        for word in range(len(words)):
            firsts.append(firsts[-1] if word in joined else word)
        held = sorted({firsts[words_of[0]] for words_of in of_tokens if words_of})
        unit_of_word = {word: unit for unit, word in enumerate(held)}
        units = []
        for first in held:
            start, end = starts[first], words[bisect_right(firsts, first) - 1][1]
            units.append(Unit(text[start:end], start, end))
        return tuple(units), tuple(
            unit_of_word[firsts[words_of[0]]] if words_of else NOT_AUDITED for words_of in of_tokens
        )


def _words_of(text: str, starts: Sequence[int], token: Piece | None) -> range:
    """The words, by number, of which a token has a character; none where it shows nothing."""
    start, end = (0, 0) if token is None else token.span
    piece = text[start:end].rstrip()
    end, start = start + len(piece), start + len(piece) - len(piece.lstrip())
    if start == end:
        return range(0)
    return range(bisect_right(starts, start) - 1, bisect_left(starts, end))
