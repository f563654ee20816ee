"""Records as Parquet columns, written shard by shard."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from attn_audit.findings.field import Field, Kind, Shape
from attn_audit.results.record import Record
from attn_audit.results.report import Report, Subject

_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.COUNT: pa.int64(),
    Kind.SWITCH: pa.bool_(),
}


def record_schema(n_logits: int, is_multilabel: bool, fields: Sequence[Field[object]]) -> pa.Schema:
    """Types of the columns of a records file.

    Args:
        n_logits: Outputs of the model; one alone makes a probability a number, else it is a list.
        is_multilabel: Whether labels and predictions are lists.
    """
    types = _TYPES | {
        Kind.LABEL: pa.list_(pa.string()) if is_multilabel else pa.string(),
        Kind.PROBABILITY: pa.float64() if n_logits == 1 else pa.list_(pa.float64()),
    }

    def type_of(field: Field[object]) -> pa.DataType:
        match field.shape:
            case Shape.ONE:
                return types[field.kind]
            case Shape.UNITS:
                return pa.list_(types[field.kind])
            case Shape.ROWS:
                return pa.list_(pa.list_(pa.float32()))

    return pa.schema([(field.name, type_of(field)) for field in fields])


def schema_of(report: Report, fields: Sequence[Field[object]]) -> pa.Schema:
    """Types of the columns of a report's records."""
    subject = Subject.of(report)
    return record_schema(subject.n_logits, subject.is_multilabel, fields)


def table_of(records: Sequence[Record], schema: pa.Schema) -> pa.Table:
    """Records as columns."""
    columns = {
        name: [_cell(record.values.get(name)) for record in records] for name in schema.names
    }
    return pa.table(columns, schema=schema)


class TableWriter:
    """Writes records into a Parquet file, one row group a call."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def write(self, records: Sequence[Record]) -> None:
        """Append records."""
        self._writer.write_table(table_of(records, self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def rows_of(batch: pa.RecordBatch | pa.Table) -> Iterator[Record]:
    """Records as before they were written: tuples for lists, arrays for lists of lists."""
    columns = {name: _values(batch.column(name)) for name in batch.schema.names}
    for row in zip(*columns.values(), strict=True):
        yield Record(dict(zip(columns, row, strict=True)))


def _values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if not pa.types.is_list(column.type):
        return values
    if pa.types.is_list(column.type.value_type):
        return [None if value is None else np.array(value, dtype=np.float32) for value in values]
    return [None if value is None else tuple(value) for value in values]


def _cell(value: Any) -> Any:
    """A matrix as pyarrow takes it: row by row."""
    return list(value) if isinstance(value, np.ndarray) else value
