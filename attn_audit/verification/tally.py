"""Counting what holds and what does not, in bounded memory."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from attn_audit.results.verification import Claim, Failure

MAX_FAILURES = 10
"""Failures of a claim that are kept to be named; all are counted."""

EQUAL = "must be the same"


@dataclass
class Tally:
    """Values of one kind, as they are compared one after the other."""

    subject: str
    name: str
    tolerance: float | None = None
    """None: values are equal or not."""
    reason: str = EQUAL
    n: int = 0
    n_failed: int = 0
    largest: float | None = None
    failures: list[Failure] = dataclasses.field(default_factory=list)

    def compare(
        self, example: str | None, what: str, stored: object, found: object, deviation: float
    ) -> None:
        """Count a number; one that is NaN does not hold.

        Args:
            example: Its id; None for a number of the report.
            what: Which number.
            stored: What was claimed.
            found: What was found.
            deviation: How far they are apart, in the unit of the tolerance; at least 0.
        """
        assert self.tolerance is not None, "equal or not: use `require`"
        self.largest = max(self.largest or 0.0, deviation if deviation == deviation else 0.0)
        self.require(example, what, stored, found, deviation <= self.tolerance)

    def require(
        self, example: str | None, what: str, stored: object, found: object, holds: bool
    ) -> None:
        """Count a value that holds or does not.

        Args:
            example: Its id; None for a value of the report.
            what: Which value.
            stored: What was claimed.
            found: What was found.
            holds: Whether they agree.
        """
        self.n += 1
        if holds:
            return
        self.n_failed += 1
        if len(self.failures) < MAX_FAILURES:
            failure = Failure(
                example=example, what=what, stored=written(stored), found=written(found)
            )
            self.failures.append(failure)

    def claim(self) -> Claim:
        """What is known now."""
        return Claim(
            subject=self.subject,
            name=self.name,
            n=self.n,
            n_failed=self.n_failed,
            largest=self.largest,
            tolerance=self.tolerance,
            reason=self.reason,
            failures=tuple(self.failures),
        )


def claims_of(tallies: Iterable[Tally]) -> list[Claim]:
    """The claims of which any value was compared.

    Args:
        tallies: In the order in which they are to be shown.
    """
    return [tally.claim() for tally in tallies if tally.n]


def written(value: object) -> str:
    """A value as a message says it, in at most 60 characters.

    Example:
        >>> written(0.1234567890123), written(None), written(("a", "b"))
        ('0.12345679', 'nothing', 'a, b')
    """
    if value is None:
        return "nothing"
    if isinstance(value, float):
        return f"{value:.8g}"
    text = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
