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

from attn_audit.results.record import FIELDS, LIST_FIELDS, Record
from attn_audit.results.site_record import SITE_FIELDS, SiteRecord

_STATUSES = tuple(name for name in FIELDS if name.startswith("status"))
_STRINGS = ("id", "reason", "adversarial_method", *_STATUSES)
_LABELS = ("label", "prediction", "uniform_prediction")
_COUNTS = ("n_units", "readout_unit", "layer", "head")


def record_schema(n_logits: int, is_multilabel: bool, fields: Sequence[str] = FIELDS) -> pa.Schema:
    """Types of the columns of a records file.

    Args:
        n_logits: Outputs of the model; one alone makes `probability` a number, else it is a list.
        is_multilabel: Whether labels and predictions are lists.
        fields: Which columns, of records or site records.
    """
    label = pa.list_(pa.string()) if is_multilabel else pa.string()
    probability = pa.float64() if n_logits == 1 else pa.list_(pa.float64())
    types = (
        dict.fromkeys((*FIELDS, *SITE_FIELDS), pa.float64())
        | dict.fromkeys(_STRINGS, pa.string())
        | dict.fromkeys(_LABELS, label)
        | dict.fromkeys(LIST_FIELDS, pa.list_(pa.float64()))
        | {"units": pa.list_(pa.string()), "probability": probability}
        | {"adversarial_rows": pa.list_(pa.list_(pa.float32()))}
        | dict.fromkeys(_COUNTS, pa.int64())
        | {"truncated": pa.bool_()}
    )
    return pa.schema([(name, types[name]) for name in fields])


def table_of(records: Sequence[Record] | Sequence[SiteRecord], schema: pa.Schema) -> pa.Table:
    """Records as columns.

    Args:
        records: In order.
        schema: From `record_schema`.
    """
    columns = {name: [_cell(getattr(record, name)) for record in records] for name in schema.names}
    return pa.table(columns, schema=schema)


class TableWriter:
    """Writes records into a Parquet file, one row group a call."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def write(self, records: Sequence[Record] | Sequence[SiteRecord]) -> None:
        """Append records."""
        self._writer.write_table(table_of(records, self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def rows_of(batch: pa.RecordBatch | pa.Table) -> Iterator[dict[str, Any]]:
    """Rows as they were before they were written: tuples for lists, arrays for lists of lists.

    Args:
        batch: Of the columns of `record_schema`.
    """
    columns = {name: _values(batch.column(name)) for name in batch.schema.names}
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


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

    def numbers(self, name: str) -> Float64[np.ndarray, " example"]:
        """A column of numbers; NaN stands for null, which no record holds otherwise."""
        values = np.empty(len(self))
        for start, batch in self._batches(name):
            column = batch.column(0).cast(pa.float64()).fill_null(np.nan)
            values[start : start + len(batch)] = column.to_numpy(zero_copy_only=False)
        return values

    def strings(self, name: str) -> list[str]:
        """A column of strings; null is empty."""
        values: list[str] = self._column(name).fill_null("").to_pylist()
        return values

    def units(self, index: int) -> list[str] | None:
        """The units of one record; None where the records have no such column."""
        if "units" not in pq.read_schema(self._path).names:
            return None
        for first, batch in self._batches("units"):
            if index < first + len(batch):
                units: list[str] = batch.column(0)[index - first].as_py()
                return units
        raise IndexError(index)

    def codes(self, name: str, names: Sequence[str]) -> Int64[np.ndarray, " example"]:
        """A column of single strings as indices into `names`; -1 for null."""
        codes = np.full(len(self), -1)
        for start, batch in self._batches(name):
            found = pc.index_in(batch.column(0), value_set=pa.array(list(names)))
            codes[start : start + len(batch)] = found.fill_null(-1).to_numpy(zero_copy_only=False)
        return codes

    def indicators(self, name: str, names: Sequence[str]) -> np.ndarray:
        """A column of string lists as a boolean matrix, example by name."""
        out = np.zeros((len(self), len(names)), dtype=bool)
        for start, batch in self._batches(name):
            column = batch.column(0)
            codes = pc.index_in(column.flatten(), value_set=pa.array(list(names)))
            rows = pc.list_parent_indices(column).to_numpy()
            out[start + rows, codes.to_numpy()] = True
        return out

    def is_null(self, name: str) -> np.ndarray:
        """Where a column has no value."""
        missing: np.ndarray = self._column(name).is_null().to_numpy(zero_copy_only=False)
        return missing

    def scores(self, label: int) -> Float64[np.ndarray, " example"]:
        """The probability of one output."""
        parts = []
        for _, batch in self._batches("probability"):
            column = batch.column(0)
            if pa.types.is_list(column.type):
                column = pc.list_element(column, label)
            parts.append(column.to_numpy())
        return np.concatenate(parts)

    def counts(self, name: str) -> dict[str, int]:
        """How often each string of a column occurs; null left out."""
        counted = self._column(name).drop_null().value_counts().to_pylist()
        return {entry["values"]: entry["counts"] for entry in counted}

    def _column(self, name: str) -> pa.Array:
        return pq.read_table(self._path, columns=[name]).column(0).combine_chunks()

    def _batches(self, name: str) -> Iterator[tuple[int, pa.RecordBatch]]:
        start = 0
        with pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(batch_size=16384, columns=[name]):
                yield start, batch
                start += len(batch)


def _cell(value: Any) -> Any:
    """A matrix as pyarrow takes it: row by row."""
    return list(value) if isinstance(value, np.ndarray) else value


def plain(value: Any) -> Any:
    """A record's value as JSON knows it: tuples and matrices become lists."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
