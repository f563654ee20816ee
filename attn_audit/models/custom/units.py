"""Where a text's tokens stand in it, in its own spelling."""

from collections.abc import Sequence

from attn_audit.models.base import Unit
from attn_audit.models.words import Span


def find_spans(text: str, tokens: Sequence[str]) -> list[Span | None]:
    """The characters of each token, sought from the end of the last one that was found.

    Args:
        text: The text.
        tokens: In the text's order and in whatever case.

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


def token_units(text: str, tokens: Sequence[str]) -> tuple[Unit, ...]:
    """Every token as a unit, in the text's own spelling where it shows the token.

    Args:
        text: The text.
        tokens: Its tokens.
    """
    units = []
    end = 0
    for token, span in zip(tokens, find_spans(text, tokens), strict=True):
        start, end = span or (end, end)
        units.append(Unit(text[start:end] or token, start, end))
    return tuple(units)
