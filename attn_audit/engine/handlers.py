"""What this process does when it is asked to end is not for a library to say."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def keeping_signal_handlers() -> Iterator[None]:
    """Afterwards, interrupts and terminations are answered as before, whoever set himself in."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers are the main thread's
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
