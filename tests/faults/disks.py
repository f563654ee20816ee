"""Disks that are full or read-only, made of memory; only an administrator can have them."""

import subprocess
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
