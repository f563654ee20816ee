"""Signals that ask the command line to end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import pytest

from attn_audit.cli.command import Terminated, heeding_signals

RAISED = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number, _ in RAISED}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "error"), RAISED)
def test_the_first_signal_is_an_exception_and_the_next_one_ends_the_process(
    number: signal.Signals, error: type[BaseException]
) -> None:
    signal.signal(number, signal.default_int_handler)
    later: list[object] = []

    def work() -> None:
        with heeding_signals(), ExitStack() as stack:
            stack.callback(lambda: later.append(signal.getsignal(number)))
            os.kill(os.getpid(), number)

    with pytest.raises(error):
        work()
    assert later == [signal.SIG_DFL]
    assert signal.getsignal(number) is signal.default_int_handler


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_was_ignored_stays_so(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with heeding_signals():
        os.kill(os.getpid(), number)


def test_a_signal_while_something_is_imported_waits_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\nis_whole = True\n"
    (tmp_path / "imported_at_length.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)

    def work() -> None:
        with heeding_signals():
            assert import_module("imported_at_length").is_whole
            time.sleep(60)

    with pytest.raises(Terminated):
        work()


def test_an_interrupt_while_the_command_line_is_imported_shows_no_traceback() -> None:
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'attn_audit.cli': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from attn_audit.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize("words", [["metrics"], ["gate", "--print-default-policy"]])
def test_who_has_seen_enough_is_no_error(words: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "attn_audit", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as said:
        assert said.read() == ""
    assert process.wait(timeout=60) == 0
