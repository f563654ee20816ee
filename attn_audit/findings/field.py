"""A field: one column of the records, and everything that is derived from it.

The Parquet schema, JSON schema, CSV, what the page shows, what `verify` tolerates and the data
dictionary all come from the rows of this table; none of them knows a field by name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from math import inf, isfinite
from typing import Generic, TypeVar

from attn_audit.findings.tolerance import Text, Tolerance, itself

T_co = TypeVar("T_co", covariant=True)

SAME = "predictions, units, statuses"
"""What `verify` counts under one heading: values that are equal or not."""


class Kind(StrEnum):
    """Type of a field's values."""

    TEXT = "text"
    LABEL = "label"
    """A label's name; of tasks with several labels a list of them."""
    NUMBER = "number"
    COUNT = "count"
    SWITCH = "true or false"
    PROBABILITY = "probability"
    """Binary tasks: one number, of the second label. Else a list, one for each label."""


class Shape(StrEnum):
    """How many values an example has."""

    ONE = "one"
    UNITS = "one a unit"
    ROWS = "one a row and unit"


class Place(Enum):
    """Which records have a field: those of examples, those of an example's sites, or both."""

    EXAMPLE = (True, False)
    EVERYWHERE = (True, True)
    SITE = (False, True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Field(Generic[T_co]):
    """A column of the records; its type parameter is that of a value."""

    name: str
    """The same in records, reports, policies and messages; dotted, after the check's id."""
    definition: str
    """One sentence."""
    kind: Kind = Kind.NUMBER
    shape: Shape = Shape.ONE
    place: Place = Place.EXAMPLE
    unit: str = ""
    low: float = -inf
    high: float = inf
    null: str = ""
    """What it means that there is no value; empty where there always is one."""
    page: str = ""
    """What the page calls it; empty where it is nothing to sort or to shade by."""
    is_shown: bool = True
    """Whether reports hold it of the examples that they show."""
    has_mean: bool = True
    """Whether a mean over examples says anything, of a number."""
    claim: str | None = None
    """What `verify` counts it under; None where another of its claims looks at it."""
    tolerance: Tolerance | None = None
    """How far it may be off when it is found again; None: it must be the same."""
    scale: Callable[[Sequence[float], Text], list[float]] = itself
    """What a deviation is measured in."""
    formerly: str = ""
    """What records called it before their names were those of metrics."""

    @property
    def is_averaged(self) -> bool:
        """Whether reports give its mean at each of several sites."""
        is_number = self.kind is Kind.NUMBER and self.shape is Shape.ONE
        return is_number and self.has_mean and Place.EVERYWHERE is self.place

    def as_dict(self) -> dict[str, str | float | bool | None]:
        """What a data dictionary says of it; ends that are infinite as None, which JSON knows."""
        of_examples, of_sites = self.place.value
        return {
            "name": self.name,
            "definition": self.definition,
            "type": self.kind.value,
            "values": self.shape.value,
            "of_examples": of_examples,
            "of_sites": of_sites,
            "unit": self.unit or None,
            "low": self.low if isfinite(self.low) else None,
            "high": self.high if isfinite(self.high) else None,
            "null": self.null or None,
            "tolerance": None if self.tolerance is None else self.tolerance.limit,
        }
