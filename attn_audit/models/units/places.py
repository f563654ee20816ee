"""Where tokens stand in a text, of tokenizers that do not say."""

import re
from collections.abc import Callable, Sequence
from functools import cache

from attn_audit.models.units.base import Span
from attn_audit.models.units.segments import words_in

_AT_BLANKS = re.compile(r"\s+|\S+")


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
    """The word that each token is of, by what the tokenizer makes of each word alone.

    Where several words stand without a blank, and alone are other tokens than together, the places
    of their tokens are sought as they are spelled.

    Args:
        tokens: Of the whole text, or of its beginning.

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
    for part in _AT_BLANKS.finditer(text):
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
