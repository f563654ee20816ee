"""One process at a time works in a run directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from attn_audit.errors import RunDirectoryError
from attn_audit.files import problem_of
from attn_audit.locations import AnyPath

LOCK = ".lock"


@contextmanager
def locked(folder: AnyPath) -> Iterator[None]:
    """Hold a run directory for as long as the context lasts.

    The lock is the operating system's: it goes with the process, however that ends. Object stores
    have none; there, nothing keeps two audits apart.

    Args:
        folder: It is there.

    Raises:
        RunDirectoryError: Another process holds it.
    """
    if not isinstance(folder, Path):
        yield
        return
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunDirectoryError(
            folder,
            "another process is working in it",
            hint="Wait until it has ended, or name another --run-dir.",
        ) from None
    except OSError as error:
        raise RunDirectoryError(folder, problem_of(error)) from None
    try:
        yield
    finally:
        lock.release()
