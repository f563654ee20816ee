"""What is kept of an audit as it goes: records, sums, and the examples that a report shows."""

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from attn_audit.engine.highlights import TellingExamples
from attn_audit.engine.summaries import SiteMeans
from attn_audit.files import sha256_of
from attn_audit.findings.example import LABEL, N_UNITS, READOUT_UNIT, TRUNCATED
from attn_audit.findings.field import Field, Kind, Shape
from attn_audit.findings.measure import LEAVE_ONE_OUT
from attn_audit.findings.registry import record_fields, site_fields
from attn_audit.formats.records import RecordsWriter
from attn_audit.formats.registry import site_records_path
from attn_audit.randomness import example_keys
from attn_audit.results.record import Record
from attn_audit.results.report import RecordsFile
from attn_audit.results.table import record_schema

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
        self._writers: list[RecordsWriter] = []
        self._site_writers: list[RecordsWriter] = []

        def schema(fields: Sequence[Field[object]]) -> pa.Schema:
            return record_schema(n_logits, is_multilabel, fields)

        with ExitStack() as stack:
            scalars = schema([field for field in record_fields() if field.shape is Shape.ONE])
            self._table = stack.enter_context(RecordsWriter(spool, scalars, hint=_ROOM))
            if files.records is not None:
                writer = RecordsWriter(files.records, schema(record_fields()))
                self._writers.append(stack.enter_context(writer))
            if files.sites is not None:
                writer = RecordsWriter(files.sites, schema(site_fields()))
                self._site_writers.append(stack.enter_context(writer))
            self._stack = stack.pop_all()

    def add(self, records: Sequence[Record], site_records: Sequence[Record]) -> None:
        """Keep what was found in a shard."""
        for writer in self._writers:
            writer.write(records)
        for writer in self._site_writers:
            writer.write(site_records)
        self.sites.add(site_records)
        self._count([record for record in records if not record.has_failed])
        self.n_failed += sum(record.has_failed for record in records)

    def _count(self, records: Sequence[Record]) -> None:
        """Of the examples that were audited, which alone are summed up."""
        self._table.write(records)
        self.telling.offer(records)
        self.sampled.offer(records)
        self.n_labelled += sum(record[LABEL] is not None for record in records)
        self.n_truncated += sum(record[TRUNCATED] for record in records)
        self.n_readout_deleted += sum(
            record[READOUT_UNIT] is not None and record[LEAVE_ONE_OUT.field] is not None
            for record in records
        )

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


N_EXAMPLES = 150
MAX_UNITS = 500
"""Longer texts are left out: a few of them would be all that there is room for."""

MAX_UNITS_TOGETHER = 6000
"""Of all examples of the sample: what bounds the report's size whatever the lengths are."""

SIGNIFICANT_DIGITS = 6
"""Of weights: what a picture of them needs. Records files hold all digits."""


class SampledExamples:
    """Examples drawn at random: a function of their ids and the seed, whatever their order."""

    def __init__(self, seed: int) -> None:
        """Args: seed: Of the draw."""
        self._seed = seed
        self._kept: list[tuple[int, str, Record]] = []

    def offer(self, records: Iterable[Record]) -> None:
        """Consider more records."""
        short = [record for record in records if record[N_UNITS] <= MAX_UNITS]
        keys = example_keys(self._seed, [record.id for record in short], "sample").tolist()
        drawn = [(key, record.id, record) for key, record in zip(keys, short, strict=True)]
        self._kept = nsmallest(N_EXAMPLES, [*self._kept, *drawn], key=lambda entry: entry[:2])

    def chosen(self) -> list[Record]:
        """The first of the draw, as many as there is room for, with rounded weights."""
        found, n_units = [], 0
        for _, _, record in self._kept:
            n_units += record[N_UNITS]
            if n_units > MAX_UNITS_TOGETHER:
                break
            found.append(_rounded(record))
        return found


def _rounded(record: Record) -> Record:
    rounded = {
        field.name: tuple(float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in values)
        for field in record_fields()
        if field.shape is Shape.UNITS and field.kind is Kind.NUMBER
        if (values := record.values.get(field.name)) is not None
    }
    return Record({**record.values, **rounded})
