"""What may be claimed of a number: only what the whole of its interval says, as the gate has it."""

from typing import TYPE_CHECKING

from attn_audit.findings.rule import Direction, Outcome, outcome_of
from attn_audit.findings.thresholds import MIN_COVERAGE, MIN_EXAMPLES
from attn_audit.numbers import counted
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
    """Why nothing is claimed: of 20 % from 5.7 % to 51 %, that there are too few texts."""
    found = "; ".join(numbers)
    if n < MIN_EXAMPLES:
        texts = f"{counted(n, 'text')}, and {MIN_EXAMPLES} are asked for"
        return f"Open: too few texts ({found}; {texts})."
    if not is_covered(check, report):
        covered, whole = report.coverage(check), report.data.n_read
        return f"Open: measured in too few of the texts ({covered:,} of {whole:,}: {found})."
    return f"Open: too few texts ({found})."
