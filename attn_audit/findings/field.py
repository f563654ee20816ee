"""A field: one column of the records, and everything that is derived from it.

The Parquet schema, JSON schema, CSV, what the page shows, what `verify` tolerates and the data
dictionary all come from the rows of this table; none of them knows a field by name.
"""

from dataclasses import KW_ONLY, dataclass
from enum import Enum, StrEnum
from math import inf, isfinite, log
from typing import Generic, TypeVar

from attn_audit.findings.tolerance import Tolerance

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
    """Binary tasks: one number, of the second label. Else a list: one for each label, or of a
    vocabulary for the likeliest tokens."""
    NAMES = "names"
    """A list of them."""


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


@dataclass(frozen=True, slots=True)
class Range:
    """What a number is measured in, and between which ends it lies; both may be infinite."""

    unit: str = ""
    low: float = 0.0
    high: float = inf

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """As JSON has them: infinite ones as None."""
        return self.low if isfinite(self.low) else None, self.high if isfinite(self.high) else None


SHARE, OUTPUT_DISTANCE = Range("share", high=1.0), Range("output distance", high=1.0)
NATS, TAU = Range("nats", high=log(2)), Range("tau", low=-1.0, high=1.0)
MARGIN = Range("share of the margin", low=-inf)
"""What is lost; below 0 it is gained."""

LOGITS = Range("logits", low=-inf)

EXAMPLES, UNLIMITED = Range("examples"), Range(low=-inf)


@dataclass(frozen=True, eq=False)
class Field(Generic[T_co]):
    """A column of the records; its type parameter is that of a value."""

    name: str
    """The same in records, reports, policies and messages; dotted, after the check's id."""
    definition: str
    """One sentence, without its full stop."""
    _: KW_ONLY
    kind: Kind = Kind.NUMBER
    shape: Shape = Shape.ONE
    place: Place = Place.EXAMPLE
    range: Range = UNLIMITED
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
    formerly: str = ""
    """What records called it before their names were those of metrics."""

    @property
    def is_averaged(self) -> bool:
        """Whether reports give its mean at each of several sites."""
        is_number = self.kind is Kind.NUMBER and self.shape is Shape.ONE
        return is_number and self.has_mean and self.place is Place.EVERYWHERE

    def as_dict(self) -> dict[str, str | float | bool | None]:
        """What a data dictionary says of it."""
        of_examples, of_sites = self.place.value
        low, high = self.range.ends
        return {
            "name": self.name, "definition": f"{self.definition}.", "type": self.kind.value,
            "values": self.shape.value, "of_examples": of_examples, "of_sites": of_sites,
            "unit": self.range.unit or None, "low": low, "high": high, "null": self.null or None,
            "tolerance": None if self.tolerance is None else self.tolerance.limit,
        }  # fmt: skip
