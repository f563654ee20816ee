"""An estimate: a number over examples, and how far it would move on other texts of the kind.

It needs no NumPy, so that reports are read and judged without.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval over examples."""

    low: float
    high: float
    method: str
    """`bootstrap` (percentile), `normal` or `wilson`; of ROC AUC `delong` (on the logit scale), or
    `newcombe` where DeLong's variance is none; of differences also `newcombe`."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    """Reports that hold more of an interval are refused."""


class Estimate(NamedTuple):
    """A number, as it was found."""

    value: float | None
    """None: not defined, or not measured."""
    n: int | None
    """Examples behind it; None where it is not a number over examples."""
    interval: Interval | None = None


NOT_MEASURED = Estimate(None, None)
