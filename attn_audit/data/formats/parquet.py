"""Parquet, batch by batch, and names of classes out of the features that `datasets` writes."""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from attn_audit.data.rows import Row
from attn_audit.data.source import DataSource, FieldNames
from attn_audit.errors import RowError, UnreadableDataError
from attn_audit.files import AnyPath
from attn_audit.quoting import listed, one_line

if TYPE_CHECKING:
    from pyarrow import NativeFile, Schema

CLASSES = "ClassLabel"


def classes_of(features: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The classes' names in order of their numbers, of every column that holds such numbers.

    Args:
        features: As `Features.to_dict()` gives them, and the metadata of a Parquet file.

    Example:
        >>> classes_of({"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}})
        {'label': ('neg', 'pos')}
    """
    named = {column: _names(feature) for column, feature in features.items()}
    return {column: names for column, names in named.items() if names}


def flags_of(features: Mapping[str, object]) -> list[str]:
    """The columns of truth values and integers.

    Args:
        features: As `Features.to_dict()` gives them.

    Example:
        >>> flags_of({"joy": {"dtype": "bool", "_type": "Value"}})
        ['joy']
    """
    return [column for column, feature in features.items() if _may_be_flag(feature)]


def _may_be_flag(feature: object) -> bool:
    if not isinstance(feature, Mapping) or feature.get("_type") != "Value":
        return False
    return str(feature.get("dtype")).startswith(("bool", "int", "uint"))


def _names(feature: object) -> tuple[str, ...]:
    """Of one number, or of each in a list."""
    if isinstance(feature, list) and len(feature) == 1:
        return _names(feature[0])
    if not isinstance(feature, Mapping):
        return ()
    names = feature.get("names")
    if feature.get("_type") == CLASSES and isinstance(names, list):
        return tuple(map(str, names))
    return _names(feature.get("feature"))


ROWS_AT_ONCE = 1024

WRITTEN_BY_DATASETS = b"huggingface"
"""What `datasets` knows of a file that it writes, in the schema's metadata."""


def parquet_rows(path: AnyPath, name: str, source: DataSource) -> Iterator[Row]:
    """The rows; columns that are not asked for are not read.

    Raises:
        RowError: There is no column of texts, or several have one name.
        UnreadableDataError: It is no Parquet file, or a damaged one.
    """
    import pyarrow

    try:
        yield from _rows(path, name, source.fields)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        problem = f"not a whole Parquet file ({one_line(error)})"
        raise UnreadableDataError(name, problem) from error


def _rows(path: AnyPath, name: str, fields: FieldNames) -> Iterator[Row]:
    from pyarrow.parquet import ParquetFile

    with _opened(path) as opened, ParquetFile(opened) as file:
        names = list(file.schema_arrow.names)
        classes = _classes(file.schema_arrow.metadata or {}, name)
        columns = fields.wanted(names, name, _may_be_flags(file.schema_arrow, classes))
        if len(set(columns)) < len(columns):
            raise RowError(name, f"it has columns of one name: {listed(columns)}")
        batches = file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns)
        values = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(values, start=1):
            yield Row(row, names, name, number, "row", classes)


def _may_be_flags(schema: "Schema", classes: Collection[str]) -> list[str]:
    """The columns of truth values and integers, as far as they have a name and no classes."""
    from pyarrow.types import is_boolean, is_integer

    found = [field.name for field in schema if is_boolean(field.type) or is_integer(field.type)]
    return [name for name in found if name not in classes and schema.names.count(name) == 1]


def _classes(metadata: Mapping[bytes, bytes], name: str) -> dict[str, tuple[str, ...]]:
    """What the numbers stand for, where `datasets` wrote the file."""
    try:
        content = json.loads(metadata.get(WRITTEN_BY_DATASETS, b"{}"))
        return classes_of(content.get("info", {}).get("features") or {})
    except (ValueError, AttributeError) as error:
        problem = "its schema does not say what its class numbers stand for"
        raise UnreadableDataError(name, f"{problem} ({one_line(error)})") from error


def _opened(path: AnyPath) -> "IO[bytes] | NativeFile":
    """By Arrow itself where that can be.

    Its threads may still hold a file while Python ends, as after an error in a row, and to let go
    of a Python object then aborts the process.
    """
    from pyarrow import OSFile

    return OSFile(str(path)) if isinstance(path, Path) else path.open("rb")
