"""Where a model comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Details = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What messages and reports say of a model beside what its configuration says."""

    source: str = "in memory"
    """What they call it: as the user wrote it."""
    sha256: str | None = None
    """Of its files."""
    details: Details = field(default_factory=dict)
