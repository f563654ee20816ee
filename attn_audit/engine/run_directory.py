"""A run directory: what was audited, its finished shards, and the right to add to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from attn_audit.engine.shards import COMPLETE, MANIFEST, RECORDS, SITES, Manifest, Shards
from attn_audit.errors import OutputError, RunDirectoryError
from attn_audit.files import PART, AnyPath, located, problem_of

LABELS = "labels"
"""Where the audits of labels are that were asked for beside the prediction, each in its own."""


@dataclass(frozen=True)
class RunDirectory:
    """A run directory that this process may write to."""

    folder: AnyPath
    earlier: Manifest | None
    """Of the audit that is gone on with; None where none was started."""

    def begin(self, manifest: Manifest) -> tuple[Manifest, Shards]:
        """The manifest that the audit goes by, and the shards.

        Args:
            manifest: Of what is asked for now; written down where nothing was started.

        Raises:
            RunDirectoryError: Another audit was started here.
            OutputError: It cannot be written.
        """
        if self.earlier is not None:
            self.earlier.require_same(manifest, self.folder)
            return self.earlier, shards_of(self.earlier, self.folder)
        manifest.write(self.folder)
        return manifest, shards_of(manifest, self.folder)


@contextmanager
def open_run_directory(name: str, *, resume: bool) -> Iterator[RunDirectory]:
    """Hold a run directory as `held_run_directory`; an error within says what is kept."""
    with held_run_directory(name, resume=resume) as directory, saying_what_is_kept(name):
        yield directory


@contextmanager
def held_run_directory(name: str, *, resume: bool) -> Iterator[RunDirectory]:
    """Hold a run directory.

    Args:
        name: A path or URL; made where there is nothing.
        resume: Go on with an audit that was started there.

    Raises:
        RunDirectoryError: In use, not empty, or unreadable.
        OutputError: It cannot be made.
    """
    folder = place_of(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(name, problem_of(error)) from None
    with locked(folder):
        earlier = Manifest.read(folder)
        _require_room(folder, earlier, resume=resume)
        _remove_parts(folder)
        yield RunDirectory(folder, earlier)


@contextmanager
def saying_what_is_kept(name: str) -> Iterator[None]:
    """Within: errors that are not the run directory's say that its shards are kept."""
    try:
        yield
    except RunDirectoryError:
        raise
    except BaseException as error:
        if _was_started(place_of(name)):
            error.add_note(f"the finished shards are kept in {name}: go on with --resume")
        raise


def _was_started(folder: AnyPath) -> bool:
    try:
        return (folder / MANIFEST).exists()
    except OSError:
        return False


def place_of(name: str) -> AnyPath:
    """Where a run directory is.

    Raises:
        RunDirectoryError: A URL that cannot be opened.
    """
    try:
        return located(name)
    except (ValueError, ImportError) as error:
        raise RunDirectoryError(name, str(error)) from None


def shards_of(manifest: Manifest, folder: AnyPath) -> Shards:
    """The shards of a run directory."""
    subject = manifest.subject
    return Shards(
        folder,
        n_logits=subject.n_logits,
        is_multilabel=subject.is_multilabel,
        has_several_sites=len(manifest.sites) > 1,
    )


def _require_room(folder: AnyPath, earlier: Manifest | None, *, resume: bool) -> None:
    if earlier is not None and not resume:
        raise RunDirectoryError(
            folder,
            "an audit was started in it",
            hint="Go on with --resume, or name another --run-dir.",
        )
    if earlier is not None:
        return
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise RunDirectoryError(folder, problem_of(error)) from None
    if any(not name.startswith(".") for name in names):
        raise RunDirectoryError(
            folder,
            "it is not empty, and no audit was started in it",
            hint="Name a new folder, or an empty one.",
        )


def _remove_parts(folder: AnyPath) -> None:
    """What a process that was killed left half-written; object stores have no such files."""
    if not isinstance(folder, Path):
        return
    for name in (MANIFEST, COMPLETE, f"{RECORDS}/", f"{SITES}/"):
        kind, _, file = name.rpartition("/")
        for part in (folder / kind).glob(f".{file}*{PART}"):
            try:
                part.unlink()
            except OSError as error:
                raise OutputError(part, problem_of(error)) from None


LOCK = ".lock"


@contextmanager
def locked(folder: AnyPath) -> Iterator[None]:
    """Hold a run directory for as long as the context lasts.

    The lock is the operating system's: it goes with the process, however that ends. Object stores
    have none; there, nothing keeps two audits apart.

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
