"""What a metric is: a name, a definition, and the range of its values."""

from dataclasses import dataclass


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
