"""Records as columns: one row an example, or an example and site."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float64

from attn_audit.findings.example import FAILED, ID, STATUS
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


def schemas(n_logits: int, is_multilabel: bool) -> tuple[pa.Schema, pa.Schema]:
    """Of the records of a model's examples, and of these at other sites."""
    return tuple(
        record_schema(n_logits, is_multilabel, f) for f in (record_fields(), site_fields())
    )


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
