"""The self-check in words: that the audit measures the model that it was given."""

from collections.abc import Sequence

from attn_audit.formats.numbers import scientific
from attn_audit.results.report import SelfCheck


def self_checked(checks: Sequence[SelfCheck]) -> str:
    """What was found to hold, with the largest deviation of each.

    Args:
        checks: At least one.

    Example:
        >>> sums = SelfCheck(name="rows sum to 1", error=1.2e-7, tolerance=1e-5, passed=True)
        >>> self_checked([sums])
        'passed: rows sum to 1 (1e-7)'
    """
    verdict = "passed" if all(check.passed for check in checks) else "failed"
    return f"{verdict}: {', '.join(map(_found, checks))}"


def _found(check: SelfCheck) -> str:
    """An error of 0 is no news."""
    return f"{check.name} ({scientific(check.error)})" if check.error else check.name
