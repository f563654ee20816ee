"""Where a text's tokens stand in it, in its own spelling."""

from collections.abc import Sequence

from attn_audit.models.units.base import Piece, Span


def find_spans(text: str, tokens: Sequence[str]) -> list[Span | None]:
    """The characters of each token, sought from the end of the last one that was found.

    Args:
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


def pieces(tokens: Sequence[str], spans: Sequence[Span | None]) -> list[Piece]:
    """The tokens, each where it stands; one that the text does not show behind the one before it.

    Args:
        spans: From `find_spans`.
    """
    found: list[Piece] = []
    end = 0
    for token, span in zip(tokens, spans, strict=True):
        start, end = span or (end, end)
        found.append(Piece((start, end), token))
    return found
