"""Every code that the command line can end with."""

from typing import Final

PASSED: Final = 0
"""Done; a gate passed, warnings included."""
FAILED: Final = 1
"""A gate failed, `compare` found a bounded drop, `verify` a claim that does not hold."""
USAGE: Final = 2
"""What was asked for cannot be done as asked; nothing was audited."""
BROKEN: Final = 3
"""The audit could not be carried out, or the program is at fault."""
INCONCLUSIVE: Final = 4
INTERRUPTED: Final = 130
TERMINATED: Final = 143
