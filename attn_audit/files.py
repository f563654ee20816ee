"""Files: where they lie, what identifies them, and how they are written whole or not at all."""

import hashlib
import os
import tomllib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from attn_audit.errors import (
    ConfigurationError,
    OutputError,
    RunDirectoryError,
    nearest,
    or_nearest,
)

if TYPE_CHECKING:
    import upath  # with fsspec it takes as long as all else that `gate` loads: only for a URL

AnyPath = Union[Path, "upath.UPath"]
"""Both read and write alike; what only local disks have (locks, temporary names) needs a `Path`."""


def is_url(name: str) -> bool:
    """Whether a name says by what protocol it is reached.

    Example:
        >>> is_url("s3://bucket/sst"), is_url("data/sst")
        (True, False)
    """
    return "://" in name


def located(name: str) -> AnyPath:
    """The place that a user's name stands for.

    Raises:
        ValueError: A URL of a protocol that fsspec does not know.
        ImportError: The protocol's package is not installed; says which.
    """
    if not is_url(name):
        return Path(name)
    from upath import UPath

    return UPath(name)


def cache_folder() -> Path:
    """What is kept for the user: `attn-audit` in XDG_CACHE_HOME, or in ~/.cache.

    Raises:
        OutputError: There is no home, as for a user that only a container knows.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME") or "")
    try:
        cache = named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        hint = "Name a folder for it: XDG_CACHE_HOME."
        raise OutputError(Path("~/.cache"), "no home is known", hint=hint) from None
    return cache / "attn-audit"


PART = ".part"
"""Ends the name of a file that is not complete."""


def problem_of(error: OSError) -> str:
    """What the system says is wrong, without what libraries say around it.

    Example:
        >>> problem_of(OSError(28, "Error writing bytes to file. Detail: [errno 28] ..."))
        'No space left on device'
    """
    said = error.strerror or str(error)
    return os.strerror(error.errno) if error.errno is not None and "[errno" in said else said


def temporary_path(path: Path) -> Path:
    """Where a file is written until it is complete: beside it, and this process's own."""
    return path.with_name(f".{path.name}.{os.getpid()}{PART}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write to the path given; it becomes `path` when all went well, and is removed otherwise.

    Raises:
        OutputError: The file cannot be written.
    """
    temporary = temporary_path(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(path, problem_of(error)) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: AnyPath, content: bytes) -> None:
    """Write a file whole or not at all; its folder is made where there is none.

    On a disk under a temporary name; an object store shows an object only when it is complete.

    Raises:
        OutputError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(path, Path):
            path.write_bytes(content)
            return
    except OSError as error:
        raise OutputError(path, problem_of(error)) from None
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def require_writable(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse, before anything is computed, a file that could not or must not be written.

    Args:
        inputs: Files that are read; a folder stands for everything in it.

    Raises:
        OutputError: No such folder, no permission, a folder itself, or an input.
    """
    if path.is_dir():
        raise OutputError(path, "it is a folder")
    if not path.parent.is_dir():
        raise OutputError(path, f"there is no folder {path.parent}")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(path, "no permission to replace it")
    for given in inputs:
        target, source = path.resolve(), given.resolve()
        if target == source or (path.exists() and source in target.parents):
            raise OutputError(path, "it is read by this command, and would be overwritten")
    try:
        temporary_path(path).touch(exist_ok=False)
    except OSError as error:
        raise OutputError(path, problem_of(error)) from None
    temporary_path(path).unlink()


def require_folder_of(path: Path, suffixes: Collection[str]) -> None:
    """Refuse a folder that holds other files than are written there, or could not be written to.

    Args:
        path: Of the folder; its own folder must be there, itself it need not be.

    Raises:
        OutputError: It is a file, holds something else, or cannot be written to.
    """
    if path.is_dir():
        other = next((file for file in path.iterdir() if file.suffix not in suffixes), None)
        if other is not None:
            problem = f"the folder holds other files than figures ({other.name})"
            raise OutputError(path, problem, hint="Name a new one.")
        require_writable(path / "figure")
    elif path.exists():
        raise OutputError(path, "it is a file, not a folder")
    else:
        require_writable(path)


def sha256_of(path: AnyPath) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]


def sha256_of_all(files: Iterable[Path], *more: str) -> str:
    """SHA-256 of the names and contents of files, and of more that belongs to them."""
    parts = (f"{file.name} {sha256_of(file)}" for file in sorted(files))
    return hashlib.sha256("\n".join((*parts, *more)).encode()).hexdigest()


MAX_BYTES = 2**20
"""What people write by hand is never longer than 1 MiB."""


def read_text(file: Path, flag: str, kind: str) -> str:
    """The text of a file that a flag names: `--config`, a `configuration`.

    Raises:
        ConfigurationError: It is missing, unreadable or too long.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            problem = f"it is longer than {MAX_BYTES >> 20} MiB"
            raise ConfigurationError(f"cannot read the {kind} {file}: {problem}")
        return content.decode("utf-8").replace("\r\n", "\n")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{flag} {file}: there is no such file{or_nearest(file)}"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read the {kind} {file}: {error}") from None


def read_toml(file: Path, flag: str, kind: str) -> dict[str, Any]:
    """The content of a file that a flag names; see `read_text`.

    Raises:
        ConfigurationError: It cannot be read, or is no TOML; says in which line.
    """
    text = read_text(file, flag, kind)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers of 4,300 digits
        raise ConfigurationError(f"cannot read the {kind} {file}: {error}") from None


def require_known(keys: Iterable[str], known: Collection[str], where: str, kind: str) -> None:
    """Refuse mistyped keys.

    Raises:
        ConfigurationError: Names the unknown ones, and what the first may have been meant to be.
    """
    unknown = [key for key in keys if key not in known]
    if unknown:
        named = ", ".join(repr(key) for key in unknown)
        raise ConfigurationError(
            f"{where}: unknown {kind}{'s' if len(unknown) > 1 else ''} {named}",
            hint=nearest(unknown[0], known),
        )


@contextmanager
def held_alone(
    folder: Path, option: str, error: type[OutputError] | type[RunDirectoryError]
) -> Iterator[None]:
    """Hold a folder for as long as the context lasts.

    The lock is the operating system's: it goes with the process, however that ends.

    Args:
        option: That named the folder.
        error: What is raised where it cannot be held.

    Raises:
        UsageError: Another process holds it, or nothing can be written there.
    """
    from filelock import FileLock, Timeout

    try:
        held = FileLock(folder / LOCK, timeout=0).acquire()
    except Timeout:
        hint = f"Wait until it has ended, or name another {option}."
        raise error(folder, "another process is working in it", hint=hint) from None
    except OSError as problem:
        raise error(folder, problem_of(problem)) from None
    with held:
        yield


LOCK = ".lock"
"""Who works in a folder holds this file of it."""
