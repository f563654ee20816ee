"""From a text's tokens to its audited units, a class for each kind of units: tokens, or words."""

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

from attn_audit.models.contract import Unit
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.models.spans import Span, words_in

UnitName = Literal["token", "word"]

Units = tuple[tuple[Unit, ...], tuple[int, ...]]
"""The units, and for each token the unit that it belongs to or NOT_AUDITED."""


class Piece(NamedTuple):
    """A token of the audited text."""

    span: Span
    """Empty where the text does not show it."""
    spelling: str
    """What it is called where the text shows nothing of it."""


class UnitKind(ABC):
    """A kind of units that a text's tokens make up."""

    name: ClassVar[UnitName]
    needs_places: ClassVar[bool]
    """Whether it must be known where in the text each token stands."""

    @abstractmethod
    def split(self, text: str, tokens: Sequence[Piece | None]) -> Units:
        """The units of a text, in its own spelling.

        Args:
            tokens: In order; None for one that is not audited.
        """


class Token(UnitKind):
    """Every audited token.

    One of which the text shows nothing, such as a line break's, keeps the vocabulary's spelling.
    """

    name = "token"
    needs_places = False

    def split(self, text: str, tokens: Sequence[Piece | None]) -> Units:
        """As many units as audited tokens."""
        units: list[Unit] = []
        unit_of_token: list[int] = []
        for token in tokens:
            unit_of_token.append(NOT_AUDITED if token is None else len(units))
            if token is not None:
                units.append(_unit(text, token))
        return tuple(units), tuple(unit_of_token)


def _unit(text: str, token: Piece) -> Unit:
    start, end = token.span
    piece = text[start:end].rstrip()
    spelling = piece.lstrip()
    if not spelling:
        return Unit(token.spelling, start, end)
    # Byte-level tokens count the space before them as their own.
    start += len(piece) - len(spelling)
    return Unit(spelling, start, start + len(spelling))


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


UNITS: Mapping[UnitName, UnitKind] = {kind.name: kind for kind in (Token(), Word())}
