"""Every code that the command line can end with; the documentation's table is made of this."""

from typing import Final

PASSED: Final = 0
"""Done; a gate passed, warnings included."""
FAILED: Final = 1
"""A gate failed, a bounded change was exceeded, `verify` found what does not hold, or `selftest` a
wrong answer."""
USAGE: Final = 2
"""Wrong usage: missing, unreadable, malformed or refused model, data, configuration, report, policy
or run directory; reports that do not compare; output not writable. Nothing was audited."""
BROKEN: Final = 3
"""The audit could not be carried out: a failed self-check, weights or outputs that are not numbers,
out of memory at one example, a crash."""
INCONCLUSIVE: Final = 4
"""A gate is inconclusive: these examples cannot decide."""
INTERRUPTED: Final = 130
"""Interrupted; no half-written file is left, and `--resume` goes on. Asked twice, it ends at
once."""
TERMINATED: Final = 143
"""Terminated; the same."""
