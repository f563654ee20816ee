"""Records files read again, Parquet and JSON Lines, each value of the type it was written with."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from attn_audit.errors import UsageError
from attn_audit.findings.example import FAILED, IF_FAILED, STATUS
from attn_audit.findings.registry import all_fields, renamed
from attn_audit.results.record import Record
from attn_audit.results.table import rows_of

N_AT_ONCE = 512
"""Records that are read together."""


class RecordsError(UsageError):
    """A records file is missing, malformed, or not the one that the report names."""


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
