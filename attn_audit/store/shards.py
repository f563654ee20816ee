"""The records of a run directory: one Parquet file a shard, there when it is complete.

A file is called by the shard's number and by the hash of its content, so that damage shows.
"""

import hashlib
import io
import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from attn_audit.errors import OutputError, RunDirectoryError
from attn_audit.files import problem_of, write_whole
from attn_audit.findings.registry import record_fields, site_fields
from attn_audit.locations import AnyPath
from attn_audit.results.record import Record
from attn_audit.results.table import record_schema, rows_of, table_of
from attn_audit.store.manifest import MANIFEST

RECORDS, SITES = "records", "sites"
"""Folders of the run directory: of the examples, and of all sites of each, where there are many."""

COMPLETE = "complete"
"""A file that is written last, with the number of shards."""

_NAME = re.compile(r"(?P<number>\d{6,})-[0-9a-f]{16}\.parquet")


class Shards:
    """Finished shards by number: written whole or not at all, read as they were written."""

    def __init__(
        self, folder: AnyPath, *, n_logits: int, is_multilabel: bool, has_several_sites: bool
    ) -> None:
        """Write nothing yet."""
        self.folder = folder
        self._schema = record_schema(n_logits, is_multilabel, record_fields())
        self._site_schema = record_schema(n_logits, is_multilabel, site_fields())
        self._has_several_sites = has_several_sites

    def complete(self, n_shards: int) -> None:
        """Note that there are no more shards than these.

        Raises:
            RunDirectoryError: Some are not there.
            OutputError: It cannot be written.
        """
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
            raise RunDirectoryError(
                self.folder,
                f"{RECORDS}/{missing[0]:06}-*.parquet is missing",
                hint="Go on with --resume: its shard is audited again.",
            )

    def finished(self) -> list[int]:
        """Numbers of the shards that are there, in order.

        Raises:
            RunDirectoryError: The directory is gone or cannot be read.
        """
        return sorted(self._files(RECORDS))

    def files(self) -> list[AnyPath]:
        """The files of the finished shards' records, in order.

        Raises:
            RunDirectoryError: The directory is gone or cannot be read.
        """
        found = self._files(RECORDS)
        return [found[number] for number in sorted(found)]

    def write(self, number: int, records: Sequence[Record], site_records: Sequence[Record]) -> None:
        """Keep a shard.

        Raises:
            RunDirectoryError: The directory was removed.
            OutputError: It cannot be written; what was finished stays as it is.
        """
        if not _is_there(self.folder / MANIFEST):
            raise RunDirectoryError(
                self.folder,
                "it was removed while the audit ran",
                hint="Start again, in a folder that nobody clears away.",
            )
        # The records come last: where they are, the shard is complete.
        if self._has_several_sites:
            self._write(SITES, number, site_records, self._site_schema)
        self._write(RECORDS, number, records, self._schema)

    def read(self, number: int) -> tuple[list[Record], list[Record]]:
        """A finished shard as it was written.

        Raises:
            RunDirectoryError: Its file is damaged.
        """
        records = self._read(RECORDS, number)
        if not self._has_several_sites:
            return records, []
        return records, self._read(SITES, number)

    def _files(self, kind: str) -> dict[int, AnyPath]:
        folder = self.folder / kind
        try:
            paths: list[AnyPath] = [*folder.iterdir()] if folder.exists() else []
        except OSError as error:
            raise RunDirectoryError(self.folder, problem_of(error)) from None
        named = ((_NAME.fullmatch(path.name), path) for path in paths)
        return {int(match["number"]): path for match, path in named if match is not None}

    def _write(
        self,
        kind: str,
        number: int,
        records: Sequence[Record],
        schema: pa.Schema,
    ) -> None:
        content = io.BytesIO()
        pq.write_table(table_of(records, schema), content, compression="zstd")
        name = f"{number:06}-{_digest(content.getvalue())}.parquet"
        write_whole(self.folder / kind / name, content.getvalue())

    def _read(self, kind: str, number: int) -> list[Record]:
        path = self._files(kind).get(number)
        name = f"{number:06}-*.parquet" if path is None else path.name
        problem = "missing"
        try:
            content = b"" if path is None else path.read_bytes()
            if f"-{_digest(content)}." in name:
                return list(rows_of(pq.read_table(_of_arrow(content))))
            problem = problem if path is None else "damaged: its content is not what it was"
        except OSError as error:
            problem = problem_of(error)
        raise RunDirectoryError(
            self.folder,
            f"{kind}/{name} is {problem}",
            hint="Delete this file and go on with --resume: its shard is audited again.",
        )


def _of_arrow(content: bytes) -> pa.BufferReader:
    """A copy that is no Python object.

    Arrow's threads may still hold what they read while Python ends, and to let go of a Python
    object then aborts the process.
    """
    stream = pa.BufferOutputStream()
    stream.write(content)
    return pa.BufferReader(stream.getvalue())


def _is_there(path: AnyPath) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise OutputError(path, problem_of(error)) from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
