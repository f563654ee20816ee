"""What is kept of an audit as it goes: records, sums, and the examples that a report shows."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc

from attn_audit.engine.batch import Found
from attn_audit.engine.highlights import SampledExamples, TellingExamples
from attn_audit.engine.summaries import SiteMeans
from attn_audit.files import sha256_of
from attn_audit.findings.example import LABEL, READOUT_UNIT, TRUNCATED
from attn_audit.findings.field import Field, Shape
from attn_audit.findings.measure import LEAVE_ONE_OUT
from attn_audit.findings.registry import record_fields
from attn_audit.formats.records import RecordsWriter
from attn_audit.formats.registry import site_records_path
from attn_audit.results.report import RecordsFile
from attn_audit.results.table import has_failed, schemas

_ROOM = "It is a temporary file: name a folder with more room in the environment variable TMPDIR."


@dataclass(frozen=True)
class RecordsPaths:
    """The records files that the user asked for."""

    records: Path | None
    sites: Path | None
    """Beside the records, where there are several sites."""

    @staticmethod
    def of(records: str | None, *, has_several_sites: bool) -> "RecordsPaths":
        """The paths of the files.

        Args:
            records: Where the records go, if they were asked for.
            has_several_sites: Whether there are site records.
        """
        if records is None:
            return RecordsPaths(None, None)
        path = Path(records)
        return RecordsPaths(path, site_records_path(path) if has_several_sites else None)

    def describe(self, report: Path | None) -> RecordsFile | None:
        """The finished files.

        Args:
            report: Where the report goes; None for standard output.
        """
        if self.records is None:
            return None
        sites = None if self.sites is None else _describe(self.sites, report)
        return _describe(self.records, report).model_copy(update={"sites": sites})


class Recording:
    """Writes every shard as it comes: all columns for the user, the scalar ones to sum up.

    A context; the user's files get their names when it is left without an error.
    """

    def __init__(
        self, spool: Path, files: RecordsPaths, *, n_logits: int, is_multilabel: bool, seed: int
    ) -> None:
        """Open the files.

        Args:
            spool: The table to sum up.
            files: What the user asked for.
            is_multilabel: Whether labels and predictions are lists.
            seed: Of the random sample that is kept for the report.

        Raises:
            OutputError: A file cannot be written.
        """
        self.n_failed = self.n_labelled = self.n_truncated = self.n_readout_deleted = 0
        self.telling = TellingExamples()
        self.sampled = SampledExamples(seed)
        self.sites = SiteMeans()
        self._scalars = [field.name for field in record_fields() if field.shape is Shape.ONE]
        records, sites = schemas(n_logits, is_multilabel)
        scalars = pa.schema([records.field(name) for name in self._scalars])
        with ExitStack() as stack:

            def open_(path: Path | None, schema: pa.Schema) -> RecordsWriter | None:
                return None if path is None else stack.enter_context(RecordsWriter(path, schema))

            self._table = stack.enter_context(RecordsWriter(spool, scalars, hint=_ROOM))
            self._records, self._sites = open_(files.records, records), open_(files.sites, sites)
            self._stack = stack.pop_all()

    def add(self, found: Found) -> None:
        """Keep what was found in a shard."""
        if self._records is not None:
            self._records.write(found.records)
        if found.sites is not None:
            if self._sites is not None:
                self._sites.write(found.sites)
            self.sites.add(found.sites)
        failed = has_failed(found.records)
        self.n_failed += int(failed.sum())
        self._count(found.records.filter(~failed) if failed.any() else found.records)

    def _count(self, records: pa.Table) -> None:
        """Of the examples that were audited, which alone are summed up."""
        self._table.write(records.select(self._scalars))
        self.telling.offer(records)
        self.sampled.offer(records)
        is_deleted = pc.and_(
            _is_known(records, READOUT_UNIT), _is_known(records, LEAVE_ONE_OUT.field)
        )
        self.n_labelled += _n_true(_is_known(records, LABEL))
        self.n_truncated += _n_true(records[TRUNCATED.name])
        self.n_readout_deleted += _n_true(is_deleted)

    def __enter__(self) -> "Recording":
        self._stack.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)


def _describe(file: Path, report: Path | None) -> RecordsFile:
    """By path relative to the report, and SHA-256."""
    base = (report.parent if report is not None else Path()).resolve()
    path = Path(os.path.relpath(file.resolve(), base)).as_posix()
    return RecordsFile(path=path, sha256=sha256_of(file))


def _is_known(records: pa.Table, field: Field[object]) -> pa.ChunkedArray:
    return records[field.name].is_valid()


def _n_true(values: pa.ChunkedArray) -> int:
    return pc.sum(values).as_py() or 0
