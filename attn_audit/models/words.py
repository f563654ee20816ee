"""Words as units: what people are shown in place of a model's own tokens."""

import re
from bisect import bisect_right
from collections.abc import Sequence

from attn_audit.models.base import Unit
from attn_audit.models.interception.classifier import NOT_AUDITED

Units = tuple[tuple[Unit, ...], tuple[int, ...]]
"""The units, and for each token the unit that it belongs to or NOT_AUDITED."""

Span = tuple[int, int]
"""First character of a token, and the one behind its last."""

_WORD = re.compile(r"\S+")


def group_by_word(text: str, spans: Sequence[Span | None]) -> Units:
    """Every word that has a token as a unit; white space ends a word.

    A token belongs to the word of its first character that is no white space, found by character
    offsets: what tokenizers call a word is the whole text in some and a punctuation mark in others.

    Args:
        text: The audited text.
        spans: Of each token; None for one that is not audited.
    """
    words = [Unit(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]
    starts = [word.start for word in words]
    unit_of_word: dict[int, int] = {}
    unit_of_token = []
    for start, end in (span or (0, 0) for span in spans):
        piece = text[start:end].lstrip()
        if piece:
            word = bisect_right(starts, end - len(piece)) - 1
            unit_of_token.append(unit_of_word.setdefault(word, len(unit_of_word)))
        else:
            unit_of_token.append(NOT_AUDITED)
    return tuple(words[word] for word in unit_of_word), tuple(unit_of_token)
