"""The rule by which a number passes a limit, fails it, or leaves it open, and what that lets claim.

Only what the whole of an interval says is claimed, of the gate and in every sentence.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from attn_audit.findings.thresholds import MIN_COVERAGE, MIN_EXAMPLES
from attn_audit.numbers import counted
from attn_audit.statistics.summary import Distribution, Interval, Share

if TYPE_CHECKING:
    from attn_audit.results.report import Report

Direction = Literal["min", "max"]
"""On which side a limit lies: the least that is wanted, or the most."""

WANTED: Final[Mapping[Direction, str]] = {"min": "at least", "max": "at most"}
"""What is asked for, in words, before the limit."""


class Outcome(StrEnum):
    """How a bound, or a whole policy, came out."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    """The interval straddles the bound, or what would be judged was not measured well enough."""


MOST_ROOT = 5
"""More than the square of this times the examples is no advice."""


def outcome_of(
    direction: Direction, limit: float, estimate: float, interval: Interval | None
) -> Outcome:
    """Hold a number against a limit.

    `min` passes if all of the 95 % interval reaches the limit, fails if none of it does, and is
    inconclusive where the interval straddles it: other texts of the kind could decide either way.
    `max` is its mirror image.

    Args:
        estimate: What was found; NaN is inconclusive.
        interval: Of the estimate; None: the estimate is judged by itself.

    Source:
        As equivalence and non-inferiority tests use confidence intervals: Walker & Nowacki (2011),
        "Understanding equivalence and noninferiority testing".

    Example:
        >>> outcome_of("max", 0.15, 0.11, Interval(low=0.10, high=0.12, method="bootstrap"))
        <Outcome.PASS: 'pass'>
    """
    low, high = (estimate, estimate) if interval is None else (interval.low, interval.high)
    if direction == "max":
        low, high, limit = -high, -low, -limit
    if low >= limit:
        return Outcome.PASS
    return Outcome.FAIL if high < limit else Outcome.INCONCLUSIVE


def examples_that_would_decide(
    limit: float, estimate: float, interval: Interval, n: int
) -> int | None:
    """About how many examples it would take for the interval no longer to straddle the limit.

    An interval's width falls with the root of the number of examples, if the estimate stays.

    Returns:
        The number in two digits, rounded up; None where the estimate is all but on the limit, so
        that it would take more than 25 times the examples.

    Example:
        >>> interval = Interval(low=0.10, high=0.20, method="bootstrap")
        >>> examples_that_would_decide(0.175, 0.15, interval, 500)
        2000
    """
    distance = abs(estimate - limit)
    towards = interval.high - estimate if limit > estimate else estimate - interval.low
    if distance < towards / MOST_ROOT:
        return None
    needed = n * (towards / distance) ** 2
    magnitude: int = 10 ** max(0, len(str(int(needed))) - 2)
    return int(-(-round(needed, 6) // magnitude)) * magnitude


def held(
    direction: Direction, limit: float, found: Distribution | Share, *, is_covered: bool = True
) -> Outcome:
    """Hold a number against a limit of the table, by the gate's rule.

    Returns:
        Inconclusive where the interval straddles the limit, there are too few examples to believe
        it, or those that are covered would pass for all.
    """
    if found.estimate is None:
        return Outcome.INCONCLUSIVE
    interval, n = found.interval, found.n
    return held_number(direction, limit, found.estimate, interval, n, is_covered=is_covered)


def held_number(
    direction: Direction,
    limit: float,
    estimate: float,
    interval: Interval | None,
    n: int,
    *,
    is_covered: bool = True,
) -> Outcome:
    """The same of a number over all examples together."""
    if interval is None or n < MIN_EXAMPLES:
        return Outcome.INCONCLUSIVE
    outcome = outcome_of(direction, limit, estimate, interval)
    return Outcome.INCONCLUSIVE if outcome is Outcome.PASS and not is_covered else outcome


def is_covered(check: str, report: "Report") -> bool:
    """Whether a check says something about enough examples to speak for all."""
    covered = report.coverage(check)
    return covered is None or covered >= MIN_COVERAGE * report.data.n_read


def left_open(check: str, report: "Report", n: int, *numbers: str) -> str:
    """Why nothing is claimed: of 20 % from 5.7 % to 51 %, that there are too few texts."""
    found = "; ".join(numbers)
    if n < MIN_EXAMPLES:
        texts = f"{counted(n, 'text')}, and {MIN_EXAMPLES} are asked for"
        return f"Open: too few texts ({found}; {texts})."
    if not is_covered(check, report):
        covered, whole = report.coverage(check), report.data.n_read
        return f"Open: measured in too few of the texts ({covered:,} of {whole:,}: {found})."
    return f"Open: too few texts ({found})."
