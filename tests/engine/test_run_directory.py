import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from attn_audit.engine.run_directory import locked
from attn_audit.errors import RunDirectoryError


def _hold(folder: Path, held: Path) -> None:
    with locked(folder):
        held.touch()
        time.sleep(60)


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    held = tmp_path / "held"
    process = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path, held))
    process.start()
    while not held.exists():
        time.sleep(0.01)
    with (
        pytest.raises(RunDirectoryError, match="another process is working in it"),
        locked(tmp_path),
    ):
        pass
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with locked(tmp_path):
        pass
