"""Libraries that set handlers of signals."""

import signal
import threading

from attn_audit.engine.ray import keeping_signal_handlers


def test_handlers_that_a_library_sets_do_not_stay() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with keeping_signal_handlers():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) == before


def test_other_threads_have_none_to_keep() -> None:
    entered = []

    def enter() -> None:
        with keeping_signal_handlers():
            entered.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered
