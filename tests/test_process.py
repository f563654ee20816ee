"""How a process computes and collects garbage is afterwards as it was found."""

import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from attn_audit.process import full_precision, no_collection


def test_nothing_is_collected_meanwhile() -> None:
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_works_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="damaged"), no_collection():
        raise ValueError("damaged")
    assert gc.isenabled()


def test_it_stays_off_where_it_was_off() -> None:
    gc.disable()
    try:
        with no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    """As in a user's process, where nobody froze what the tests' own imports made."""
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.freeze()


@pytest.mark.usefixtures("nothing_frozen")
def test_what_was_imported_is_long_lived_and_nothing_is_left_frozen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with no_collection():
        monkeypatch.setitem(sys.modules, "imported_meanwhile", sys)
        made: list[list[int]] = [[] for _ in range(2000)]
    assert gc.get_freeze_count() == 0
    assert any(item is made for item in gc.get_objects(generation=2))


@pytest.mark.usefixtures("nothing_frozen")
def test_what_the_caller_froze_stays_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.freeze()
    with no_collection():
        monkeypatch.setitem(sys.modules, "imported_meanwhile", sys)
    assert gc.get_freeze_count() > 0, "none was thawed, though some may be gone"


def state() -> tuple[int, bool]:
    return torch.get_num_threads(), torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("n_threads", [None, 1, 2])
def test_settings_hold_inside_and_are_gone_afterwards(n_threads: int | None) -> None:
    before = state()
    with full_precision(n_threads):
        assert state() == (n_threads or before[0], False)
    assert state() == before


def test_they_are_gone_after_an_error_as_well() -> None:
    before = state()
    with pytest.raises(ValueError, match="stop"), full_precision(2):
        raise ValueError("stop")
    assert state() == before


def test_a_command_does_not_look_through_all_that_it_imported(tmp_path: Path) -> None:
    code = """
import atexit, gc
atexit.register(lambda: print([each["collections"] for each in gc.get_stats()]))
from attn_audit.__main__ import main
main()
"""
    words = ["audit", "demo", "demo", "--quiet", "--output", str(tmp_path / "report.json")]
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    young, middle, old = json.loads(done.stdout)
    assert young > middle > old == 0, "torch alone is some hundred thousand objects"
