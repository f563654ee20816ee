"""Records files read again, Parquet and JSON Lines, each value of the type it was written with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from attn_audit.errors import UsageError
from attn_audit.results.record import FAILED, Record
from attn_audit.results.site_record import SiteRecord
from attn_audit.results.table import rows_of

N_AT_ONCE = 512
"""Records that are read together."""

_ALWAYS = ("id", "prediction", "probability", "n_units", "truncated", "audited_mass", "attention")
"""Columns that no record leaves out but that of an example that failed; the others are null where
nothing was measured."""


class RecordsError(UsageError):
    """A records file is missing, malformed, or not the one that the report names."""


def read_records(path: Path, schema: pa.Schema) -> Iterator[list[Record]]:
    """The records of an audit, some at a time, in the order in which they were written.

    Args:
        path: A `.parquet` or `.jsonl` file.
        schema: From `record_schema`.

    Raises:
        RecordsError: Unreadable, or not of these columns and types.
    """
    for rows in _rows(path, schema):
        yield [Record(**row) for row in rows]


def read_site_records(path: Path, schema: pa.Schema) -> Iterator[list[SiteRecord]]:
    """The records of an audit's layers and heads, some at a time.

    Args:
        path: A `.parquet` or `.jsonl` file.
        schema: From `record_schema`, with the fields of site records.

    Raises:
        RecordsError: Unreadable, or not of these columns and types.
    """
    for rows in _rows(path, schema):
        yield [SiteRecord(**row) for row in rows]


def _rows(path: Path, schema: pa.Schema) -> Iterator[list[dict[str, Any]]]:
    read = _parquet if path.suffix == ".parquet" else _json_lines
    n_read = 0
    try:
        for batch in read(path, schema):
            _require_values(batch)
            n_read += len(batch)
            yield list(rows_of(batch.select(schema.names)))
    except (pa.ArrowException, ValueError, TypeError, OSError, RecursionError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecordsError(f"cannot read the records {path}: {problem}") from None
    if n_read == 0:
        raise RecordsError(f"{path} holds no records")


def _parquet(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        found = file.schema_arrow
        for field in schema:
            if field.name not in found.names:
                raise ValueError(f"it has no column {field.name!r}")
            if found.field(field.name).type != field.type:
                raise ValueError(f"{field.name!r} is not {field.type}")
        yield from file.iter_batches(batch_size=N_AT_ONCE, columns=schema.names)


def _json_lines(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with path.open(encoding="utf-8") as lines:
        rows: list[dict[str, Any]] = []
        for number, line in enumerate(lines, start=1):
            row = json.loads(line)
            if not isinstance(row, dict) or row.keys() != set(schema.names):
                raise ValueError(f"line {number} does not hold the fields of a record")
            rows.append(row)
            if len(rows) == N_AT_ONCE:
                yield pa.RecordBatch.from_pylist(rows, schema=schema)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=schema)


def _require_values(batch: pa.RecordBatch) -> None:
    if "status" in batch.schema.names:
        batch = batch.filter(pc.not_equal(batch.column("status"), FAILED))
    for name in _ALWAYS:
        if name in batch.schema.names and batch.column(name).null_count:
            raise ValueError(f"{name!r} is null where it must not be")
