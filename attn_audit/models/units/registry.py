"""The kinds of units by name."""

from collections.abc import Mapping

from attn_audit.models.units.base import UnitKind, UnitName
from attn_audit.models.units.token import Token
from attn_audit.models.units.word import Word

UNITS: Mapping[UnitName, UnitKind] = {kind.name: kind for kind in (Token(), Word())}
