"""Records files found and read again, each value of the type it was written with."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from attn_audit.errors import UsageError
from attn_audit.files import sha256_of
from attn_audit.findings.example import FAILED, IF_FAILED, STATUS
from attn_audit.findings.field import Shape
from attn_audit.findings.registry import all_fields, renamed
from attn_audit.results.record import Record
from attn_audit.results.report import RecordsFile
from attn_audit.results.table import rows_of

N_AT_ONCE = 512
"""Records that are read together."""


class RecordsError(UsageError):
    """A records file is missing, malformed, or not the one that the report names."""


def located(report: Path, file: RecordsFile) -> Path:
    """Where the records of a report are, once they are known to be those it was made with.

    Args:
        report: The report's own file, in whose folder its paths start.
        file: As the report names it.

    Raises:
        RecordsError: They are not there, or are others.
    """
    path = report.parent / file.path
    if not path.is_file():
        raise RecordsError(
            f"the records of {report} are not there: no {path}",
            hint="Keep them where they lay beside the report when it was written.",
        )
    found = sha256_of(path)
    if found != file.sha256:
        raise RecordsError(
            f"{path} is not the file that {report} was written with: its SHA-256 is "
            f"{found[:12]}..., not {file.sha256[:12]}..."
        )
    return path


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """All records of an audit, as columns.

    Args:
        path: Of any records file; of CSV, which has no more, those columns with one value an
            example.
        schema: From `record_schema`.

    Raises:
        RecordsError: Unreadable, or not of these columns and types.
    """
    return pa.Table.from_batches(_batches(path, schema))


def read_records(path: Path, schema: pa.Schema) -> Iterator[list[Record]]:
    """The records of an audit, of its examples or its sites, in the order of the file.

    Args:
        path: A `.parquet` or `.jsonl` file.
        schema: From `record_schema`.

    Yields:
        Some at a time.

    Raises:
        RecordsError: Unreadable, or not of these columns and types.
    """
    for batch in _batches(path, schema):
        yield list(rows_of(batch))


def _batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    n_read = 0
    try:
        for batch in _READERS[path.suffix](path, schema):
            _require_values(batch)
            n_read += len(batch)
            yield batch.select([name for name in schema.names if name in batch.schema.names])
    except (pa.ArrowException, ValueError, TypeError, OSError, RecursionError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecordsError(f"cannot read the records {path}: {problem}") from None
    if n_read == 0:
        raise RecordsError(f"{path} holds no records")


def _parquet(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        found = file.schema_arrow
        if (problem := _lacking(found.names, schema)) is not None:
            raise ValueError(problem)
        for field in schema:
            if found.field(field.name).type != field.type:
                raise ValueError(f"{field.name!r} is not {field.type}")
        yield from file.iter_batches(batch_size=N_AT_ONCE, columns=schema.names)


def _json_lines(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with path.open(encoding="utf-8") as lines:
        rows: list[dict[str, Any]] = []
        for number, line in enumerate(lines, start=1):
            row = json.loads(line)
            if not isinstance(row, dict) or row.keys() != set(schema.names):
                lacking = _lacking(row, schema) if isinstance(row, dict) else None
                why = "" if lacking is None else f": {lacking}"
                raise ValueError(f"line {number} does not hold the fields of a record{why}")
            rows.append(row)
            if len(rows) == N_AT_ONCE:
                yield pa.RecordBatch.from_pylist(rows, schema=schema)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=schema)


def _csv(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Several labels or probabilities stand in one cell, parted by `|`."""
    fields = {field.name: field for field in all_fields() if field.shape is Shape.ONE}
    names = [name for name in schema.names if name in fields]
    lists = [name for name in names if pa.types.is_list(schema.field(name).type)]
    conversion = pa_csv.ConvertOptions(
        column_types={
            name: pa.string() if name in lists else schema.field(name).type for name in names
        },
        include_columns=names,
        strings_can_be_null=True,
        null_values=[""],  # a label may be called NA
    )
    parsing = pa_csv.ParseOptions(newlines_in_values=True)
    table = pa_csv.read_csv(path, parse_options=parsing, convert_options=conversion)
    for name in lists:
        parted = pc.split_pattern(table[name], pattern="|").cast(schema.field(name).type)
        if fields[name].null == IF_FAILED:  # or there are none: no label is on
            has_none = pc.and_(pc.is_null(parted), pc.not_equal(table[STATUS.name], FAILED))
            parted = pc.if_else(has_none, pa.scalar([], parted.type), parted)
        table = table.set_column(names.index(name), schema.field(name), parted)
    yield from table.to_batches(N_AT_ONCE)


_READERS: Mapping[str, Callable[[Path, pa.Schema], Iterator[pa.RecordBatch]]] = {
    ".parquet": _parquet,
    ".jsonl": _json_lines,
    ".csv": _csv,
}


def _lacking(found: Collection[str], schema: pa.Schema) -> str | None:
    """Which column is not there, and whether it is there by the name that it had before."""
    for name in schema.names:
        if name not in found:
            old = [old for old, new in renamed().items() if new == name and old in found]
            was = f": {old[0]!r}, as it was called before, is read no more" if old else ""
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
