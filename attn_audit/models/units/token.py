"""Tokens as units, each its own."""

from collections.abc import Sequence

from attn_audit.models.contract import Unit
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.models.units.base import Piece, UnitKind, Units


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
