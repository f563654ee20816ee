"""Become another program, as a user at a terminal would have started it.

    python as_a_user.py PROGRAM [WORDS]

Interrupts count, which a shell's background jobs inherit that they ignore; and so do permissions,
which an administrator's processes need not heed.
"""

import ctypes
import os
import signal
import sys

DROP_FROM_BOUNDING_SET, OVERRIDE, SEARCH = 24, 1, 2
"""Of Linux: after the next `exec`, there is no right to write and read everywhere."""


def main() -> None:
    """Change what the program inherits, and become it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        for capability in (OVERRIDE, SEARCH):
            ctypes.CDLL(None).prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
