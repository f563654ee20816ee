"""What a metric is: a name, a definition, and the range of its values."""

from dataclasses import asdict, dataclass
from math import isfinite


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a report."""

    name: str
    """Dotted: the check, then the path within the check's summary; or `performance` and the path
    within that."""
    definition: str
    """One sentence."""
    unit: str
    low: float
    """No value is below; may be infinite."""
    high: float
    """No value is above; may be infinite."""
    has_interval: bool
    """Whether reports give its 95 % interval over examples."""

    @property
    def check(self) -> str:
        """Id of the check that measures it, or `performance`."""
        return self.name.partition(".")[0]

    def as_dict(self) -> dict[str, str | float | bool | None]:
        """All fields by name; ends that are infinite as None, which JSON knows."""
        return {
            field: None if isinstance(value, float) and not isfinite(value) else value
            for field, value in asdict(self).items()
        }
