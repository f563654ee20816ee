"""A text's words, and from its tokens to its audited units: tokens, or words.

Words are what stands between white space. Chinese, Japanese, Thai, Lao, Burmese and Khmer write
whole sentences without a blank: their words are those of ICU where PyICU is installed; without it,
each sign stands for itself.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from itertools import accumulate
from typing import Any, Literal, NamedTuple

from attn_audit.models.contract import Unit
from attn_audit.models.interception.classifier import NOT_AUDITED

Span = tuple[int, int]
"""First character of a word or token, and the one behind its last."""

_AT_BLANKS = re.compile(r"\S+")
_SIGN = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46"  # Thai
    "\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf"  # Lao
    "\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081"
    "\u1780-\u17b3"  # Khmer, and before it Burmese
    "\u3005-\u3007\u3021-\u3029\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\uff66-\uff9f\U0001aff0-\U0001b16f"  # with what stands for signs among ideographs, kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs
)
"""Letters; their marks stand behind them."""
_OPENING = "(\\[{\"'«‘“〈《「『【〔〖〘〝（［｛｢"
_SIGNS = re.compile(
    # Marks and closing punctuation stay with the sign before them, as with a word in Latin letters.
    f"[{_OPENING}]*[{_SIGN}](?:(?![{_OPENING}{_SIGN}])[^\\w\\s])*|(?:(?![{_OPENING}]*[{_SIGN}])\\S)+"
)
_HAS_SIGN = re.compile(f"[{_SIGN}]")


def words_in(text: str) -> list[Span]:
    """Words, in order; together they cover all of a text but its white space.

    Example:
        >>> text = "see 「我」，ok 中文v2!"
        >>> [text[start:end] for start, end in words_in(text)]  # doctest: +SKIP
        ['see', '「我」，', 'ok', '中', '文', 'v2!']
    """
    if _HAS_SIGN.search(text) is None:
        return [match.span() for match in _AT_BLANKS.finditer(text)]
    signs = [match.span() for match in _SIGNS.finditer(text)]
    ends = word_ends(text)
    if ends is None:
        return signs
    words: list[Span] = []
    for start, end in signs:
        # Only between two signs is it ICU that says whether one word ends and another begins.
        if words and words[-1][1] == start and start not in ends:
            start = words.pop()[0]
        words.append((start, end))
    return words


def word_ends(text: str) -> set[int] | None:
    """Where ICU ends a word or what stands between words; None where PyICU is not installed."""
    icu = _icu()
    if icu is None:
        return None
    iterator = icu.BreakIterator.createWordInstance(icu.Locale.getRoot())
    iterator.setText(text)
    # It counts in UTF-16, in which what is beyond the first 65,536 characters takes two places.
    places = accumulate((1 + (ord(character) > 0xFFFF) for character in text), initial=0)
    of_place = {place: index for index, place in enumerate(places)}
    return {of_place[place] for place in iterator if place in of_place}


@cache
def _icu() -> Any:
    try:
        found = import_module("icu")
    except ImportError:
        return None
    return found if hasattr(found, "BreakIterator") else None  # a folder of that name is no PyICU


def how_words_are_found() -> str:
    """What words are in scripts without blanks, as reports say it."""
    icu = _icu()
    return "single signs" if icu is None else f"words of ICU {icu.ICU_VERSION}"


_PARTS = re.compile(r"\s+|\S+")


def find_spans(text: str, tokens: Sequence[str]) -> list[Span | None]:
    """The characters of each token, sought from the end of the last one that was found.

    Returns:
        None for a token that the text does not show, such as one that stands for all numbers.

    Example:
        >>> find_spans("A film, no film", ["a", "film", "<unk>", "film"])
        [(0, 1), (2, 6), None, (11, 15)]
    """
    # A few capitals have another length in lower case; a text with one is searched as it is.
    keeps_length = len(text.lower()) == len(text)
    searched = text.lower() if keeps_length else text
    spans: list[Span | None] = []
    position = 0
    for token in tokens:
        sought = token.lower() if keeps_length else token
        start = searched.find(sought, position)
        if start < 0 or not token:
            spans.append(None)
        else:
            position = start + len(sought)
            spans.append((start, position))
    return spans


def spans_by_words(
    text: str, tokens: Sequence[str], tokenize: Callable[[str], Sequence[str]]
) -> list[Span] | None:
    """The word that each token of a text's beginning is of, by what is made of each word alone.

    Where several words stand without a blank, and alone are other tokens than together, the places
    of their tokens are sought as they are spelled.

    Returns:
        None where that gives other tokens than the whole text has, or places that are not found.

    Example:
        >>> def halves(text):
        ...     return [half for word in text.split() for half in (word[:2], "##" + word[2:])]
        >>> spans_by_words("fine  film", ["fi", "##ne", "fi", "##lm"], halves)
        [(0, 4), (0, 4), (6, 10), (6, 10)]
    """
    split = cache(tokenize)
    found: list[str] = []
    spans: list[Span] = []
    for part in _PARTS.finditer(text):
        own = split(part.group())
        places = _within(part.group(), own, split)
        if places is None:
            return None
        found += own
        spans += [(part.start() + start, part.start() + end) for start, end in places]
    is_same = found == list(split(text)) and found[: len(tokens)] == list(tokens)
    return spans[: len(tokens)] if is_same else None


def _within(
    text: str, tokens: Sequence[str], split: Callable[[str], Sequence[str]]
) -> list[Span] | None:
    """Of blanks, or of what stands between them."""
    words = words_in(text)
    if len(words) < 2:
        return [(0, len(text))] * len(tokens)
    alone = [(token, word) for word in words for token in split(text[slice(*word)])]
    if [token for token, _ in alone] == list(tokens):
        return [word for _, word in alone]
    spelled = [token.removeprefix("##").removeprefix("▁").removesuffix("@@") for token in tokens]
    spans = [span for span in find_spans(text, spelled) if span is not None]
    return spans if len(spans) == len(tokens) else None


UnitName = Literal["token", "word"]

Units = tuple[tuple[Unit, ...], tuple[int, ...]]
"""The units, and for each token the unit that it belongs to or NOT_AUDITED."""


class Piece(NamedTuple):
    """A token of the audited text."""

    span: Span
    """Empty where the text does not show it."""
    spelling: str
    """What it is called where the text shows nothing of it."""


class UnitKind(NamedTuple):
    """A kind of units that a text's tokens make up."""

    name: UnitName
    split: Callable[[str, Sequence[Piece | None]], Units]
    """From a text and its tokens in order, None for one that is not audited, to the text's units
    in its own spelling."""
    needs_places: bool
    """Whether it must be known where in the text each token stands."""


def _audited_tokens(text: str, tokens: Sequence[Piece | None]) -> Units:
    """One unit for each audited token.

    One of which the text shows nothing, such as a line break's, keeps the vocabulary's spelling.
    """
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


def _audited_words(text: str, tokens: Sequence[Piece | None]) -> Units:
    """Every word that has a token; words that share one are one unit.

    A token belongs to the words of all its characters that are no white space, found by character
    offsets: what tokenizers call a word is the whole text in some and a punctuation mark in others.
    """
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


UNITS: Mapping[UnitName, UnitKind] = {
    "token": UnitKind("token", _audited_tokens, needs_places=False),
    "word": UnitKind("word", _audited_words, needs_places=True),
}
