"""The records of a report: found, verified, and read again.

The one way to them, for everything that reads records which an audit left behind.
"""

import csv
import json
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from attn_audit.errors import RecordsError
from attn_audit.files import problem_of, sha256_of
from attn_audit.findings.example import FAILED, IF_FAILED, STATUS
from attn_audit.findings.field import Shape
from attn_audit.findings.registry import all_fields, record_fields, renamed
from attn_audit.results.report import RecordsFile, Report, Subject
from attn_audit.results.table import Examples, MissingColumnError, schemas

N_AT_ONCE = 512
"""Records that are read together."""


@dataclass(frozen=True)
class StoredRecords:
    """A records file that is there, and is the one that its report was written with."""

    path: Path
    subject: Subject
    are_of_sites: bool = False

    @property
    def schema(self) -> pa.Schema:
        """What an audit writes there now."""
        subject = self.subject
        return schemas(subject.n_logits, subject.is_multilabel)[self.are_of_sites]

    def names(self) -> Collection[str]:
        """Of its columns; none of a file of another kind, which its reader refuses.

        Raises:
            RecordsError: They cannot be read.
        """
        with _explained(self.path):
            if self.path.suffix == ".parquet":
                return frozenset(pq.read_schema(self.path).names)
            with self.path.open(encoding="utf-8") as lines:
                first = (
                    json.loads(lines.readline() or "{}") if self.path.suffix == ".jsonl" else None
                )
            return first if isinstance(first, dict) else ()

    @contextmanager
    def columns(self) -> Iterator[Examples]:
        """The records by columns; columns that older versions did not write may be missing.

        Raises:
            RecordsError: They cannot be read, or a column is of another type, or has an old name.
        """
        model = self.subject.model
        with tempfile.TemporaryDirectory(prefix="attn-audit-") as folder, ExitStack() as stack:
            with _explained(self.path):
                file = stack.enter_context(pq.ParquetFile(self._as_parquet(Path(folder))))
                examples = Examples(file, model.labels, model.task)
            with _explained(self.path, (pa.ArrowException, MissingColumnError)):
                yield examples

    def _as_parquet(self, folder: Path) -> Path:
        if self.path.suffix == ".parquet":
            _require_types(pq.read_schema(self.path), self.schema, may_lack=True)
            return self.path
        converted = folder / "records.parquet"
        pq.write_table(_text_table(self.path, self.schema), converted)
        return converted


def open_records(report: Report, path: Path, *, otherwise: str = "") -> StoredRecords:
    """The records of a report's examples.

    Args:
        otherwise: A sentence that says what can be done without them.

    Raises:
        RecordsError: They are not there, or were changed since the report was written.
    """
    assert report.records_file is not None, "the caller asks first"
    return StoredRecords(_located(report.records_file, path, otherwise), Subject.of(report))


def open_site_records(report: Report, path: Path) -> StoredRecords | None:
    """The records of a report's examples at every other site; None where there are none.

    Raises:
        RecordsError: They are not there, or were changed since the report was written.
    """
    sites = None if report.records_file is None else report.records_file.sites
    if sites is None:
        return None
    return StoredRecords(_located(sites, path, ""), Subject.of(report), are_of_sites=True)


def _located(file: RecordsFile, report: Path, otherwise: str) -> Path:
    path = report.parent / file.path

    def refused(problem: str, advice: str) -> RecordsError:
        return RecordsError(problem, hint=f"{advice} {otherwise}".rstrip())

    beside = f"Copy {path.name} there: it goes with its report."
    if not path.exists():
        raise refused(f"the records of {report} are not where they belong: at {path}", beside)
    if not path.is_file():  # a device or pipe has no end
        raise refused(f"the records of {report} are no file: {path}", beside)
    try:
        found = sha256_of(path)
    except OSError as error:
        raise refused(f"cannot read the records {path}: {problem_of(error)}", beside) from None
    if found != file.sha256:
        raise refused(
            f"{path} is not the file that {report} was written with: its SHA-256 is "
            f"{found[:12]}..., not {file.sha256[:12]}...",
            "Put the records back as they were, or audit again.",
        )
    return path


UNREADABLE = (pa.ArrowException, ValueError, TypeError, LookupError, OSError, RecursionError)
"""What parsers raise of files that hold something else."""


@contextmanager
def _explained(path: Path, kinds: tuple[type[Exception], ...] = UNREADABLE) -> Iterator[None]:
    """What goes wrong while records are read, in a sentence."""
    try:
        yield
    except kinds as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecordsError(f"cannot read the records {path}: {problem}") from None


def read_records(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The records of an audit, of its examples or its sites, in the order of the file.

    Yields:
        Some at a time.

    Raises:
        RecordsError: Unreadable, in CSV, or not of these columns and types.
    """
    if path.suffix == ".csv":
        raise RecordsError(
            f"{path}: records in CSV hold no witnesses, nor any other list of weights",
            hint="Audit with --records FILE.parquet or FILE.jsonl, and verify that report.",
        )
    read = _parquet if path.suffix == ".parquet" else _json_lines
    n_read = 0
    with _explained(path):
        for batch in read(path, schema):
            _require_values(batch)
            n_read += len(batch)
            yield pa.Table.from_batches([batch]).select(schema.names).cast(schema)
    if n_read == 0:
        raise RecordsError(f"{path} holds no records")


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """All records of a file in any format; of CSV, those columns with one value an example.

    Raises:
        RecordsError: Unreadable, or a column is of another type, or has an old name.
    """
    with _explained(path):
        if path.suffix != ".parquet":
            return _text_table(path, schema)
        found = pq.read_schema(path)
        _require_types(found, schema, may_lack=True)
        return pq.read_table(path, columns=[n for n in schema.names if n in found.names])


def _parquet(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        _require_types(file.schema_arrow, schema)
        yield from file.iter_batches(batch_size=N_AT_ONCE, columns=schema.names)


def _json_lines(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    names = set(schema.names)
    with path.open(encoding="utf-8") as lines:
        rows: list[dict[str, Any]] = []
        for number, line in enumerate(lines, start=1):
            row = json.loads(line)
            if not isinstance(row, dict) or row.keys() != names:
                lacking = _lacking(row, schema) if isinstance(row, dict) else None
                why = "" if lacking is None else f": {lacking}"
                raise ValueError(f"line {number} does not hold the fields of a record{why}")
            rows.append(row)
            if len(rows) == N_AT_ONCE:
                yield pa.RecordBatch.from_pylist(rows, schema=schema)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=schema)


def _text_table(path: Path, schema: pa.Schema) -> pa.Table:
    """JSON Lines or CSV as columns, by pyarrow's parsers: row by row takes many times as long."""
    with path.open(encoding="utf-8", newline="") as lines:
        first = lines.readline()
    if path.suffix == ".jsonl":
        _require_columns(json.loads(first or "{}"), schema, may_lack=True)
        parsing = pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        return pa_json.read_json(path, parse_options=parsing)
    names = next(csv.reader([first]), [])
    of_one = [field.name for field in record_fields() if field.shape is Shape.ONE]
    fields = [schema.field(name) for name in of_one]
    _require_columns(names, pa.schema(fields), may_lack=True)
    fields = [field for field in fields if field.name in names]
    lists = [field for field in fields if pa.types.is_list(field.type)]
    conversion = pa_csv.ConvertOptions(
        column_types={f.name: pa.string() if f in lists else f.type for f in fields},
        include_columns=[field.name for field in fields],
        strings_can_be_null=True,
        null_values=[""],  # a label may be called NA
    )
    parsing = pa_csv.ParseOptions(newlines_in_values=True)
    table = pa_csv.read_csv(path, parse_options=parsing, convert_options=conversion)
    for field in lists:
        values = [_list(cell, field.name) for cell in table[field.name].to_pylist()]
        at = table.column_names.index(field.name)
        table = table.set_column(at, field, pa.array(values, field.type))
    return table


def _list(cell: str | None, column: str) -> list[Any] | None:
    try:
        values: list[Any] | None = None if cell is None else json.loads(cell)
    except ValueError:
        problem = f"the column {column!r} holds {cell!r}, which is no list as JSON writes it"
        raise ValueError(problem) from None
    return values


def _require_types(found: pa.Schema, schema: pa.Schema, *, may_lack: bool = False) -> None:
    """What stands in a column is what records have there."""
    _require_columns(found.names, schema, may_lack=may_lack)
    for field in schema:
        if field.name in found.names:
            kind = found.field(field.name).type
            if not _is_alike(kind, field.type):
                raise ValueError(f"the column {field.name!r} holds {kind}, not {field.type}")


def _is_alike(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Equal but for the names that files give to the items of lists."""
    if pa.types.is_list(found) and pa.types.is_list(wanted):
        return _is_alike(found.value_type, wanted.value_type)
    return bool(found == wanted)


def _require_columns(found: Collection[str], schema: pa.Schema, *, may_lack: bool = False) -> None:
    if (problem := _lacking(found, schema, may_lack=may_lack)) is not None:
        raise ValueError(problem)


def _lacking(found: Collection[str], schema: pa.Schema, *, may_lack: bool = False) -> str | None:
    """Which column is not there, and whether it is there by the name that it had before."""
    for name in schema.names:
        if name not in found:
            old = [old for old, new in renamed().items() if new == name and old in found]
            was = f": {old[0]!r}, as it was called before, is read no more" if old else ""
            if old or not may_lack:
                return f"it has no column {name!r}{was}"
    return None


def _require_values(batch: pa.RecordBatch) -> None:
    """Null is what failed, or was not measured where a field says what that means."""
    if STATUS.name in batch.schema.names:
        batch = batch.filter(pc.not_equal(batch.column(STATUS.name), FAILED))
    for field in all_fields():
        is_there = field.null in ("", IF_FAILED) and field.name in batch.schema.names
        if is_there and batch.column(field.name).null_count:
            raise ValueError(f"{field.name!r} is null where it must not be")
