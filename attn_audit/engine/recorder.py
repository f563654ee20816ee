"""What is kept of an audit as it goes: records, sums, and the examples that a report shows."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from attn_audit.engine.batch import Found
from attn_audit.engine.highlights import SampledExamples, TellingExamples
from attn_audit.engine.summaries import SiteMeans
from attn_audit.files import sha256_of
from attn_audit.findings.example import LABEL, READOUT_UNIT, TRUNCATED, WINDOWS
from attn_audit.findings.field import Shape
from attn_audit.findings.measure import LEAVE_ONE_OUT
from attn_audit.findings.registry import record_fields
from attn_audit.formats.records import RecordsWriter
from attn_audit.formats.registry import site_records_path
from attn_audit.results.report import RecordsFile, Subject
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
    """Writes every shard as it comes: all columns for the user, the scalar ones to sum up."""

    def __init__(
        self, stack: ExitStack, spool: Path, files: RecordsPaths, subject: Subject
    ) -> None:
        """Open the files.

        Args:
            stack: Closes them; the user's get their names when it is left without an error.
            spool: The table to sum up.
            files: What the user asked for.

        Raises:
            OutputError: A file cannot be written.
        """
        self.counts = dict.fromkeys(_COUNTED, 0)
        """By what a report's data calls them."""
        self.telling = TellingExamples()
        self.sampled = SampledExamples(subject.settings.seed)
        self.sites = SiteMeans()
        self._scalars = [field.name for field in record_fields() if field.shape is Shape.ONE]
        records, sites = schemas(subject.n_logits, subject.is_multilabel)
        scalars = pa.schema([records.field(name) for name in self._scalars])

        def writer(path: Path | None, schema: pa.Schema) -> RecordsWriter | None:
            return None if path is None else stack.enter_context(RecordsWriter(path, schema))

        self._table = stack.enter_context(RecordsWriter(spool, scalars, hint=_ROOM))
        self._records, self._sites = writer(files.records, records), writer(files.sites, sites)

    def add(self, found: Found) -> None:
        """Keep what was found in a shard."""
        if self._records is not None:
            self._records.write(found.records)
        if found.sites is not None:
            if self._sites is not None:
                self._sites.write(found.sites)
            self.sites.add(found.sites)
        failed = has_failed(found.records)
        self._count(found.records.filter(~failed), int(failed.sum()))

    def _count(self, records: pa.Table, n_failed: int) -> None:
        """Of the examples that were audited, which alone are summed up."""
        self._table.write(records.select(self._scalars))
        self.telling.offer(records)
        self.sampled.offer(records)
        is_deleted = pc.and_(
            records[READOUT_UNIT.name].is_valid(), records[LEAVE_ONE_OUT.name].is_valid()
        )
        counted = (
            *(records[LABEL.name].is_valid(), records[TRUNCATED.name]),
            *(records[WINDOWS.name].is_valid(), is_deleted),
        )
        n_true = (pc.sum(values).as_py() or 0 for values in counted)
        for name, n in zip(_COUNTED, (len(records), n_failed, *n_true), strict=True):
            self.counts[name] += n


_COUNTED = (
    *("n_examples", "n_failed", "n_labelled"),
    *("n_truncated", "n_windowed", "n_readout_deleted"),
)


def _describe(file: Path, report: Path | None) -> RecordsFile:
    """By path relative to the report, and SHA-256."""
    base = (report.parent if report is not None else Path()).resolve()
    path = Path(os.path.relpath(file.resolve(), base)).as_posix()
    return RecordsFile(path=path, sha256=sha256_of(file))
