"""A run directory: what was audited, its finished shards, and the right to add to them.

A shard's file is called by its number and by the hash of its content, so that damage shows.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from attn_audit.engine.in_process import RecordTables
from attn_audit.errors import OutputError, RunDirectoryError
from attn_audit.files import PART, AnyPath, held_alone, located, problem_of, write_whole
from attn_audit.findings.registry import add_shown
from attn_audit.plugins import require_plugins
from attn_audit.quoting import in_our_words
from attn_audit.results.report import Subject
from attn_audit.results.table import schemas
from attn_audit.statistics.summary import Value

RECORDS, SITES = "records", "sites"
"""Folders of the run directory: of the examples, and of all sites of each, where there are many."""

COMPLETE = "complete"
"""A file that is written last, with the number of shards."""

_NAME = re.compile(r"(?P<number>\d{6,})-[0-9a-f]{16}\.parquet")


class Shards:
    """Finished shards by number: written whole or not at all, read as they were written.

    Whatever is missing, damaged or cannot be read is a `RunDirectoryError`.
    """

    def __init__(
        self, folder: AnyPath, *, n_logits: int, is_multilabel: bool, has_several_sites: bool
    ) -> None:
        self.folder = folder
        records, sites = schemas(n_logits, is_multilabel)
        self._schemas = {RECORDS: records} | ({SITES: sites} if has_several_sites else {})

    def complete(self, n_shards: int) -> None:
        """Note that there are no more shards than these."""
        self._require(n_shards)
        write_whole(self.folder / COMPLETE, f"{n_shards}\n".encode())

    def are_complete(self) -> bool:
        """Whether the audit was finished.

        Raises:
            RunDirectoryError: It was, and shards are missing; or the directory cannot be read.
        """
        path = self.folder / COMPLETE
        try:
            if not path.exists():
                return False
            self._require(int(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            problem = problem_of(error) if isinstance(error, OSError) else f"{COMPLETE} is damaged"
            raise RunDirectoryError(self.folder, problem) from None
        return True

    def _require(self, n_shards: int) -> None:
        missing = sorted(set(range(n_shards)) - set(self.finished()))
        if missing:
            problem = f"{RECORDS}/{missing[0]:06}-*.parquet is missing"
            hint = "Go on with --resume: its shard is audited again."
            raise RunDirectoryError(self.folder, problem, hint=hint)

    def finished(self) -> list[int]:
        """Numbers of the shards that are there, in order."""
        return sorted(self._files(RECORDS))

    def write(self, number: int, found: RecordTables) -> None:
        """Keep a shard.

        Raises:
            OutputError: It cannot be written; what was finished stays as it is.
        """
        try:
            is_there = (self.folder / MANIFEST).exists()
        except OSError as error:
            raise OutputError(self.folder / MANIFEST, problem_of(error)) from None
        if not is_there:
            hint = "Start again, in a folder that nobody clears away."
            raise RunDirectoryError(self.folder, "it was removed while the audit ran", hint=hint)
        # The records come last: where they are, the shard is complete.
        if found.sites is not None:
            self._write(SITES, number, found.sites)
        self._write(RECORDS, number, found.records)

    def table(self) -> pa.Table:
        """All finished shards' records of examples, as columns."""
        parts = [self._table(RECORDS, number) for number in self.finished()]
        return pa.concat_tables(parts) if parts else self._schemas[RECORDS].empty_table()

    def read(self, number: int) -> RecordTables:
        """A finished shard as it was written."""
        return RecordTables(*(self._table(kind, number) for kind in self._schemas))

    def _files(self, kind: str) -> dict[int, AnyPath]:
        folder = self.folder / kind
        try:
            paths: list[AnyPath] = [*folder.iterdir()] if folder.exists() else []
        except OSError as error:
            raise RunDirectoryError(self.folder, problem_of(error)) from None
        named = ((_NAME.fullmatch(path.name), path) for path in paths)
        return {int(match["number"]): path for match, path in named if match is not None}

    def _write(self, kind: str, number: int, table: pa.Table) -> None:
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        name = f"{number:06}-{_digest(content.getvalue())}.parquet"
        write_whole(self.folder / kind / name, content.getvalue())

    def _table(self, kind: str, number: int) -> pa.Table:
        path = self._files(kind).get(number)
        name = f"{number:06}-*.parquet" if path is None else path.name
        problem = "missing"
        try:
            content = b"" if path is None else path.read_bytes()
            if f"-{_digest(content)}." in name:
                return pq.read_table(_of_arrow(content)).cast(self._schemas[kind])
            problem = problem if path is None else "damaged: its content is not what it was"
        except ValueError as error:
            problem = f"of another layout: {str(error).splitlines()[0]}"
        except OSError as error:
            problem = problem_of(error)
        hint = "Delete this file and go on with --resume: its shard is audited again."
        raise RunDirectoryError(self.folder, f"{kind}/{name} is {problem}", hint=hint)


def _of_arrow(content: bytes) -> pa.BufferReader:
    """A copy that is no Python object.

    Arrow's threads may still hold what they read while Python ends, and to let go of a Python
    object then aborts the process.
    """
    stream = pa.BufferOutputStream()
    stream.write(content)
    return pa.BufferReader(stream.getvalue())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


MANIFEST = "manifest.json"

_MEASURED = ("subject.self_checks", "subject.model.findings", "subject.layers", "subject.head_mix")
"""What rounding may move; everything else must be the same."""

MOST_NAMED = 5


class BatchPlan(Value):
    """How examples are put together: what rounding, and with it the last digits, depend on."""

    batch_examples: int
    batch_tokens: int
    shard_size: int
    threads: int


class Manifest(Value):
    """Everything that the records of a run directory depend on."""

    format_version: Literal[2] = 2
    subject: Subject
    plan: BatchPlan
    sites: tuple[tuple[int, int | None], ...]
    """Layer and head of all sites, the audited one first; head None: all, averaged."""
    on_error: str
    """`stop` or `record`."""

    @staticmethod
    def read(folder: AnyPath) -> "Manifest | None":
        """The manifest of a run directory; None where no audit was started.

        Raises:
            ConfigurationError: It was made with a plugin that was not named.
            RunDirectoryError: It cannot be read.
        """
        path = folder / MANIFEST
        try:
            if not path.exists():
                return None
            found = Manifest.model_validate(json.loads(path.read_text(encoding="utf-8")))
            require_plugins(found.subject.tool.plugins, str(folder))
            add_shown(found.subject.settings.shown)
            return found
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"{'.'.join(map(str, first['loc']))}: {in_our_words(first['msg'])}"
        except (OSError, ValueError, RecursionError) as error:
            problem = str(error)
        hint = "It is not a run directory of this version of attn-audit, or it was damaged."
        raise RunDirectoryError(folder, f"{MANIFEST} cannot be read ({problem})", hint=hint)

    def require_same(self, other: "Manifest", folder: AnyPath) -> None:
        """Refuse to go on with an audit of something else, or done in another way.

        Raises:
            RunDirectoryError: They differ; names what does.
        """
        was, now = (dict(_flat(each.model_dump(mode="json"))) for each in (self, other))
        differences = [
            f"{name.removeprefix('subject.')} was {_short(was.get(name))} "
            f"and is {_short(now.get(name))}"
            for name in was | now
            if was.get(name) != now.get(name) and not name.startswith(_MEASURED)
        ]
        if not differences:
            return
        shown = "; ".join(differences[:MOST_NAMED])
        more = f"; and {len(differences) - MOST_NAMED} more" * (len(differences) > MOST_NAMED)
        hint = "Give the same settings, or name another --run-dir."
        raise RunDirectoryError(folder, f"it holds another audit: {shown}{more}", hint=hint)


def _flat(value: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."


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
        content = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        write_whole(self.folder / MANIFEST, content.encode())
        return manifest, shards_of(manifest, self.folder)


@contextmanager
def held_run_directory(name: str | None, *, resume: bool) -> Iterator[RunDirectory | None]:
    """Hold a run directory, if there is to be one.

    Args:
        name: A path or URL; made where there is nothing.
        resume: Go on with an audit that was started there.

    Raises:
        RunDirectoryError: In use, not empty, or unreadable.
        OutputError: It cannot be made.
    """
    if name is None:
        yield None
        return
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
def saying_what_is_kept(name: str | None) -> Iterator[None]:
    """Within: errors that are not the run directory's say that its shards are kept."""
    try:
        yield
    except RunDirectoryError:
        raise
    except BaseException as error:
        with suppress(OSError):
            if name is not None and (place_of(name) / MANIFEST).exists():
                error.add_note(f"the finished shards are kept in {name}: go on with --resume")
        raise


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
        hint = "Go on with --resume, or name another --run-dir."
        raise RunDirectoryError(folder, "an audit was started in it", hint=hint)
    try:
        is_new = all(path.name.startswith(".") for path in folder.iterdir())
    except OSError as error:
        raise RunDirectoryError(folder, problem_of(error)) from None
    if earlier is None and not is_new:
        problem = "it is not empty, and no audit was started in it"
        raise RunDirectoryError(folder, problem, hint="Name a new folder, or an empty one.")


def _remove_parts(folder: AnyPath) -> None:
    """What a process that was killed left half-written; object stores have no such files."""
    if not isinstance(folder, Path):
        return
    for place in (f".{MANIFEST}*", f".{COMPLETE}*", f"{RECORDS}/.*", f"{SITES}/.*"):
        for part in folder.glob(place + PART):
            try:
                part.unlink()
            except OSError as error:
                raise OutputError(part, problem_of(error)) from None


def locked(folder: AnyPath) -> AbstractContextManager[None]:
    """Hold a run directory for as long as the context lasts.

    Object stores have no lock; there, nothing keeps two audits apart.

    Raises:
        RunDirectoryError: Another process holds it.
    """
    if not isinstance(folder, Path):
        return nullcontext()
    return held_alone(folder, "--run-dir", RunDirectoryError)
