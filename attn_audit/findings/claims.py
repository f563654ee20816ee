"""What may be claimed of a number: only what the whole of its interval says, as the gate has it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from attn_audit.findings.rule import Direction, Outcome, outcome_of
from attn_audit.findings.thresholds import MIN_COVERAGE, MIN_EXAMPLES
from attn_audit.numbers import number, percent
from attn_audit.statistics.estimate import Interval
from attn_audit.statistics.summary import Distribution, Share

if TYPE_CHECKING:
    from attn_audit.results.report import Report


def held(
    direction: Direction,
    limit: float,
    found: Distribution | Share,
    *,
    is_covered: bool = True,
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
    """Why nothing is claimed: of 20 % between 5.7 % and 51 %, that there are too few texts."""
    found = "; ".join(numbers)
    if n < MIN_EXAMPLES:
        return f"Open: too few texts ({found}; {n} texts, and {MIN_EXAMPLES} are asked for)."
    if not is_covered(check, report):
        covered, whole = report.coverage(check), report.data.n_read
        return f"Open: measured in too few of the texts ({covered:,} of {whole:,}: {found})."
    return f"Open: too few texts ({found})."


def percent_between(share: float, interval: Interval | None) -> str:
    """A share and its interval in a sentence.

    Example:
        >>> percent_between(0.2, Interval(low=0.057, high=0.51, method="wilson"))
        '20%, between 5.7% and 51%'
    """
    return between(share, interval, percent)


def between(
    estimate: float, interval: Interval | None, written: Callable[[float], str] = number
) -> str:
    """A number and its interval in a sentence.

    Example:
        >>> between(0.2, Interval(low=0.1, high=0.31, method="bootstrap"))
        '0.20, between 0.10 and 0.31'
    """
    if interval is None:
        return written(estimate)
    return f"{written(estimate)}, between {written(interval.low)} and {written(interval.high)}"
