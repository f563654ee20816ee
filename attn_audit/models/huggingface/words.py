"""Which tokens make up a unit: each its own, or all of a word."""

from attn_audit.models.base import Unit
from attn_audit.models.huggingface.tokenizing import Tokens
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.models.words import Units, group_by_word


def token_units(text: str, tokens: Tokens) -> Units:
    """Every audited token as a unit, in the text's own spelling.

    A token of which the text shows nothing, such as a line break's, has the vocabulary's spelling.

    Args:
        text: The audited text.
        tokens: Its tokens, and those around it.
    """
    units: list[Unit] = []
    unit_of_token: list[int] = []
    spans = tokens.spans or [(0, 0)] * len(tokens.ids)
    for audited, span, string in zip(tokens.audited, spans, tokens.strings, strict=True):
        unit_of_token.append(len(units) if audited else NOT_AUDITED)
        if audited:
            units.append(_unit(text, span, string))
    return tuple(units), tuple(unit_of_token)


def word_units(text: str, tokens: Tokens) -> Units:
    """Every word that has a token as a unit.

    Args:
        text: The audited text.
        tokens: Its tokens, and those around it; with spans.
    """
    assert tokens.spans is not None
    pairs = zip(tokens.audited, tokens.spans, strict=True)
    return group_by_word(text, [span if audited else None for audited, span in pairs])


def _unit(text: str, span: tuple[int, int], string: str) -> Unit:
    start, end = span
    piece = text[start:end].rstrip()
    spelling = piece.lstrip()
    if not spelling:
        return Unit(string, start, end)
    # Byte-level tokens count the space before them as their own.
    start += len(piece) - len(spelling)
    return Unit(spelling, start, start + len(spelling))
