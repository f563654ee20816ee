"""Records as columns: one row an example, or an example and site; read one column at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Float64

from attn_audit.findings.example import (
    FAILED,
    ID,
    LABEL,
    PREDICTION,
    PROBABILITY,
    STATUS,
    UNITS,
    Label,
)
from attn_audit.findings.field import Field, Kind, Shape
from attn_audit.findings.registry import record_fields, site_fields

Values = Float64[np.ndarray, " example"]
"""NaN where an example does not have the number."""

Members = Bool[np.ndarray, " example"]

Row = dict[str, Any]
"""A record that is shown or compared by itself, by the fields' names, as JSON knows it."""

_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.COUNT: pa.int64(),
    Kind.SWITCH: pa.bool_(),
    Kind.NAMES: pa.list_(pa.string()),
}


def schemas(n_logits: int, is_multilabel: bool) -> tuple[pa.Schema, pa.Schema]:
    """Columns with their types, of the records of examples, and of these at other sites.

    Args:
        n_logits: Outputs of the model; one alone makes a probability a number, else it is a list.
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

    of_examples, of_sites = (
        pa.schema([(field.name, type_of(field)) for field in fields])
        for fields in (record_fields(), site_fields())
    )
    return of_examples, of_sites


def record_table(columns: Mapping[str, Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Columns as records hold them; what is not among them is null."""
    n = len(columns[ID.name])
    return pa.table({name: columns.get(name, [None] * n) for name in schema.names}, schema=schema)


def has_failed(records: pa.Table) -> Members:
    """Of which examples nothing could be measured."""
    failed: Members = pc.equal(records[STATUS.name], FAILED).to_numpy()
    return failed


def numbers(records: pa.Table, field: Field[object]) -> Values:
    """A number of each record; NaN stands for null, which no record holds otherwise."""
    found: Values = records[field.name].cast(pa.float64()).fill_null(np.nan).to_numpy()
    return found


MIN_ON = 0.5
"""Probability from which on a label is given, of several that may be."""


class MissingColumnError(LookupError):
    """A metric is made of a column that these records do not have."""


FEW = 2048
"""Examples whose columns are kept once read: metrics ask for the same ones again and again."""


class Examples:
    """Columns of a Parquet file of records, as the functions of metrics see them."""

    def __init__(
        self,
        file: pq.ParquetFile,
        labels: Sequence[str],
        task: str,
        n_rows: int | None = None,
        n_left_out: int = 0,
    ) -> None:
        """Read what is needed more than once.

        Args:
            file: Open as long as this is used: to open it anew takes longer than to read a column.
            task: `binary`, `multiclass`, `multilabel`, `candidates`, or `next_token`, whose labels
                are too many to be given: they are those that are in the records.
        """
        self._file, self.n_rows, self.n_left_out = file, n_rows, n_left_out
        self._names, self._kept = frozenset(file.schema_arrow.names), dict[str, pa.Array]()
        self.is_multilabel, self.is_binary = task == "multilabel", task == "binary"
        self.is_of_vocabulary = task == "next_token"
        self.labels = self._named if self.is_of_vocabulary else tuple(labels)
        has_none = self._column(LABEL).is_null().to_numpy(zero_copy_only=False)
        self.is_labelled: Members = np.logical_not(has_none)

    @property
    def _named(self) -> tuple[str, ...]:
        """All that are a gold label or a prediction."""
        found = {name for of in (LABEL, PREDICTION) for name in self.counts(of)}
        return tuple(sorted(found))

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def numbers(self, field: Field[float | None]) -> Values:
        """A number of each example, to be read; NaN is null, which no record holds otherwise."""
        found = self._column(field).cast(pa.float64()).fill_null(np.nan)
        values: Values = found.to_numpy(zero_copy_only=False)
        return values

    def is_known(self, field: Field[float | None]) -> Members:
        """Which examples have a number."""
        known: Members = ~np.isnan(self.numbers(field))
        return known

    def strings(self, field: Field[str | None]) -> list[str]:
        """A text of each example; null is empty."""
        values: list[str] = self._column(field).fill_null("").to_pylist()
        return values

    def counts(self, field: Field[Any]) -> dict[str, int]:
        """How often each text of a field occurs; null left out."""
        counted = self._column(field).drop_null().value_counts().to_pylist()
        return {entry["values"]: entry["counts"] for entry in counted}

    def units(self, index: int) -> list[str] | None:
        """The units of one example; None where the records have no such column.

        Raises:
            IndexError: There are not so many examples.
        """
        if UNITS.name not in self._names:
            return None
        for first, column in self._batches(UNITS):
            if index < first + len(column):
                units: list[str] = column[index - first].as_py()
                return units
        raise IndexError(index)

    def where(self, is_counted: Members, values: np.ndarray) -> Values:
        """Values as numbers of the examples that count."""
        chosen: Values = np.where(is_counted, values.astype(np.float64), np.nan)
        return chosen

    def answers(self, field: Field[Label | None]) -> np.ndarray:
        """Labels as their index, -1 for null; of several a row of booleans. To be read alone."""
        names, column = pa.array(list(self.labels)), self._column(field)
        if not self.is_multilabel:
            found = pc.index_in(column, value_set=names).fill_null(-1).cast(pa.int64())
            codes: np.ndarray = found.to_numpy()
            return codes
        out = np.zeros((len(self), len(self.labels)), dtype=bool)
        rows = pc.list_parent_indices(column).to_numpy()
        out[rows, pc.index_in(column.flatten(), value_set=names).to_numpy()] = True
        return out

    def is_right(self, predicted: Field[Label | None]) -> Members:
        """Whether a field's prediction is the gold label (multilabel: exactly the gold set)."""
        return self._equal(predicted, LABEL)

    def is_predicted(self, predicted: Field[Label | None]) -> Members:
        """Whether a field's prediction is the model's own."""
        return self._equal(predicted, PREDICTION)

    def _equal(self, first: Field[Label | None], second: Field[Label | None]) -> Members:
        one, other = self.answers(first), self.answers(second)
        same: Members = (one == other).all(axis=1) if self.is_multilabel else one == other
        return same

    @property
    def gold(self) -> Bool[np.ndarray, "labelled label"]:
        """Which labels the labelled examples have."""
        return self._of_labelled(LABEL)

    @property
    def predicted(self) -> Bool[np.ndarray, "labelled label"]:
        """Which labels the model gives these."""
        return self._of_labelled(PREDICTION)

    def _of_labelled(self, field: Field[Label | None]) -> Bool[np.ndarray, "labelled label"]:
        answers: np.ndarray = self.answers(field)[self.is_labelled]
        if self.is_multilabel:
            return answers
        has_label: np.ndarray = answers[:, None] == np.arange(len(self.labels))
        return has_label

    def scores(self, label: int) -> Float64[np.ndarray, " labelled"]:
        """The probability that labelled examples have a label, by the model's output of it."""
        parts = []
        for _, column in self._batches(PROBABILITY):
            is_list = pa.types.is_list(column.type)
            parts.append((pc.list_element(column, label) if is_list else column).to_numpy())
        scores: np.ndarray = np.concatenate(parts)[self.is_labelled]
        return scores

    @property
    def confidence(self) -> Values:
        """Of each example's prediction: of several labels a mean over the audited ones.

        These are the labels that are on; where none is, that the likeliest is off.
        """
        found = np.full(len(self), np.nan)
        for start, column in self._batches(PROBABILITY):
            known = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
            if not len(known):
                continue
            if pa.types.is_list(column.type):
                p = column.drop_null().flatten().to_numpy().reshape(len(known), -1)
            else:
                p = column.drop_null().to_numpy()[:, None]
            found[start + known] = self._confidence_of(p)
        return found

    def _confidence_of(self, p: Float64[np.ndarray, "example label"]) -> Values:
        largest: Values = p.max(axis=1, initial=0)
        if not self.is_multilabel:
            return np.maximum(largest, 1 - largest) if self.is_binary else largest
        n_on = (p >= MIN_ON).sum(axis=1)
        mean: Values = np.where(p >= MIN_ON, p, 0).sum(axis=1) / np.maximum(n_on, 1)
        return np.where(n_on > 0, mean, 1 - largest)

    def _column(self, field: Field[object]) -> pa.Array:
        columns = [column for _, column in self._batches(field)]
        of_type = self._file.schema_arrow.field(field.name).type  # a file may hold no row
        return pa.chunked_array(columns, of_type).combine_chunks()

    def _batches(self, field: Field[object]) -> Iterator[tuple[int, pa.Array]]:
        start = 0
        if field.name not in self._names:
            raise MissingColumnError(f"it has no column {field.name!r}")
        if field.name in self._kept:
            yield 0, self._kept[field.name]
            return
        for batch in self._file.iter_batches(batch_size=16384, columns=[field.name]):
            if len(batch) == len(self) <= FEW:
                self._kept[field.name] = batch.column(field.name)
            yield start, batch.column(field.name)
            start += len(batch)
