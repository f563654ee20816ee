"""Disks that are full or read-only, made of memory, and rights; an administrator's to change."""

import ctypes
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def disk(place: Path, options: str) -> Iterator[Path]:
    """Within: a small file system at a place.

    Args:
        place: An empty folder; made if it is not there.
        options: As `mount -o` takes them: `size=64k`, `ro`.
    """
    place.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def change(place: Path, options: str) -> None:
    """Other options for a file system of `disk`."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


OVERRIDE, SEARCH = 1, 2
"""Of Linux: the rights to write and to read everywhere."""


@contextmanager
def as_a_user() -> Iterator[None]:
    """Within: permissions count, which an administrator's processes need not heed."""
    if sys.platform != "linux":
        yield
        return
    system, rights = ctypes.CDLL(None), (ctypes.c_uint32 * 6)()
    this = (ctypes.c_uint32 * 2)(0x20080522, 0)  # the version of what is said, and the thread
    system.capget(this, rights)
    effective, *others = rights
    system.capset(this, (ctypes.c_uint32 * 6)(effective & ~(1 << OVERRIDE | 1 << SEARCH), *others))
    try:
        yield
    finally:
        system.capset(this, rights)
