"""From a text's tokens to its audited units."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

from attn_audit.models.contract import Unit

UnitName = Literal["token", "word"]

Units = tuple[tuple[Unit, ...], tuple[int, ...]]
"""The units, and for each token the unit that it belongs to or NOT_AUDITED."""

Span = tuple[int, int]
"""First character of a token, and the one behind its last."""


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
