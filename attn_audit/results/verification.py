"""What checking a report again found: plain validated data."""

from attn_audit.summary import Value


class Failure(Value):
    """One value that does not hold."""

    example: str | None
    """Its id; None for a number of the report itself."""
    what: str
    """Which value: a record's field, a number's path in the report."""
    stored: str
    """What the report or its records say."""
    found: str
    """What was found now."""


class Claim(Value):
    """Values of one kind, checked again."""

    subject: str
    """What they belong to: `witnesses`, `records`, `sample`, `sites` or `summary`."""
    name: str
    n: int
    """Values that were compared."""
    n_failed: int
    largest: float | None
    """The largest deviation; None where values are equal or not, or none was compared."""
    tolerance: float | None
    """The largest deviation that counts as rounding; None where values must be equal."""
    reason: str
    """Why that much."""
    failures: tuple[Failure, ...]
    """The first of those that do not hold, at most 10."""

    @property
    def holds(self) -> bool:
        """Whether every value does."""
        return self.n_failed == 0


class Verification(Value):
    """A report checked again, with its records, against its model and data."""

    report: str
    model: str
    data: str
    n_examples: int
    n_witnesses: int
    """Adversarial witnesses that were replayed."""
    n_not_kept: int
    """Examples whose witness has too many rows to be kept, and so could not be replayed."""
    n_sampled: int
    """Examples of which every number was computed again."""
    seed: int
    """Of that sample."""
    notes: tuple[str, ...]
    """What could not be checked, and in which batches the sample was computed, in sentences."""
    claims: tuple[Claim, ...]
    holds: bool
    """Whether everything that was checked does."""
    seconds: float
