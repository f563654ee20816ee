"""Records as Parquet columns: written shard by shard, read one column at a time.

This is what keeps memory flat: nothing of an audit but the column at hand is ever whole in memory.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Float64, Int64

from attn_audit.findings.example import PROBABILITY, UNITS, Label
from attn_audit.findings.field import Field, Kind, Shape
from attn_audit.results.record import Record

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
        fields: Which columns.
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


class RecordTable:
    """The records of an audit, one column at a time."""

    def __init__(self, path: Path) -> None:
        """Args: path: A Parquet file of records."""
        self._path = path

    def __len__(self) -> int:
        return int(pq.read_metadata(self._path).num_rows)

    def numbers(self, field: Field[float | None]) -> Float64[np.ndarray, " example"]:
        """A column of numbers; NaN stands for null, which no record holds otherwise."""
        values = np.empty(len(self))
        for start, column in self._batches(field):
            numbers = column.cast(pa.float64()).fill_null(np.nan)
            values[start : start + len(column)] = numbers.to_numpy(zero_copy_only=False)
        return values

    def strings(self, field: Field[str | None]) -> list[str]:
        """A column of strings; null is empty."""
        values: list[str] = self._column(field).fill_null("").to_pylist()
        return values

    def units(self, index: int) -> list[str] | None:
        """The units of one record; None where the records have no such column."""
        if UNITS.name not in pq.read_schema(self._path).names:
            return None
        for first, column in self._batches(UNITS):
            if index < first + len(column):
                units: list[str] = column[index - first].as_py()
                return units
        raise IndexError(index)

    def codes(
        self, field: Field[Label | None], names: Sequence[str]
    ) -> Int64[np.ndarray, " example"]:
        """A column of single labels as indices into `names`; -1 for null."""
        codes = np.full(len(self), -1)
        for start, column in self._batches(field):
            found = pc.index_in(column, value_set=pa.array(list(names)))
            codes[start : start + len(column)] = found.fill_null(-1).to_numpy(zero_copy_only=False)
        return codes

    def indicators(self, field: Field[Label | None], names: Sequence[str]) -> np.ndarray:
        """A column of several labels as a boolean matrix, example by name."""
        out = np.zeros((len(self), len(names)), dtype=bool)
        for start, column in self._batches(field):
            codes = pc.index_in(column.flatten(), value_set=pa.array(list(names)))
            rows = pc.list_parent_indices(column).to_numpy()
            out[start + rows, codes.to_numpy()] = True
        return out

    def is_null(self, field: Field[object]) -> np.ndarray:
        """Where a column has no value."""
        missing: np.ndarray = self._column(field).is_null().to_numpy(zero_copy_only=False)
        return missing

    def scores(self, label: int) -> Float64[np.ndarray, " example"]:
        """The probability of one output."""
        parts = []
        for _, column in self._batches(PROBABILITY):
            is_list = pa.types.is_list(column.type)
            parts.append((pc.list_element(column, label) if is_list else column).to_numpy())
        return np.concatenate(parts)

    def counts(self, field: Field[str | None]) -> dict[str, int]:
        """How often each string of a column occurs; null left out."""
        counted = self._column(field).drop_null().value_counts().to_pylist()
        return {entry["values"]: entry["counts"] for entry in counted}

    def _column(self, field: Field[object]) -> pa.Array:
        return pq.read_table(self._path, columns=[field.name]).column(field.name).combine_chunks()

    def _batches(self, field: Field[object]) -> Iterator[tuple[int, pa.Array]]:
        start = 0
        with pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(batch_size=16384, columns=[field.name]):
                yield start, batch.column(field.name)
                start += len(batch)


def _cell(value: Any) -> Any:
    """A matrix as pyarrow takes it: row by row."""
    return list(value) if isinstance(value, np.ndarray) else value
