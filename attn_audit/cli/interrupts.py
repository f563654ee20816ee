"""Being asked to end: first everything is put in order; asked again, the process ends at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


_RAISED: dict[int, type[BaseException]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
}

SECONDS_LATER = 0.02
"""Until a signal comes again that came at the wrong moment."""


@contextmanager
def heeding_signals() -> Iterator[None]:
    """Within: a signal to end is an exception, once; the next one ends the process as it is.

    While something is imported, a signal waits. Those that were ignored stay so: a shell's
    background jobs are not meant to be interrupted.
    """
    previous = {number: signal.getsignal(number) for number in _RAISED}
    heeded = {number: old for number, old in previous.items() if old != signal.SIG_IGN}
    for number in heeded:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number, old in heeded.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)


def _raise(number: int, frame: FrameType | None) -> None:
    if _is_importing(frame):  # torch's own libraries abort where an exception ends their import
        later = threading.Timer(SECONDS_LATER, os.kill, (os.getpid(), number))
        later.daemon = True
        later.start()
        return
    for heeded in _RAISED:
        signal.signal(heeded, signal.SIG_DFL)
    raise _RAISED[number]


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
