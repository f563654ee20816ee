"""Records files: one line or row an example, in Parquet, JSON Lines or CSV.

Beside it, where several layers or heads are asked for, a second file of the same format with one
line an example and site.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from attn_audit.errors import OutputError
from attn_audit.files import problem_of, temporary_path
from attn_audit.findings.field import Shape
from attn_audit.findings.registry import record_fields
from attn_audit.formats.registry import records_suffix


class _JsonLines:
    """All fields of each record as one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8", newline="\n")

    def write_table(self, records: pa.Table) -> None:
        for record in records.to_pylist():
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._file.close()


class _Csv:
    """All fields with one value an example; several labels or probabilities are a list in JSON."""

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        lists = {field.name for field in record_fields() if field.shape is not Shape.ONE}
        self._fields = [name for name in fields if name not in lists]
        self._file: IO[str] = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(self._fields)

    def write_table(self, records: pa.Table) -> None:
        columns = (map(_cell, records[name].to_pylist()) for name in self._fields)
        self._writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        self._file.close()


def _cell(value: object) -> object:
    if isinstance(value, list):  # a token may hold whatever could part two
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    return value


class RecordsWriter:
    """Writes a records file under a temporary name; it gets its own only when it is complete."""

    def __init__(self, path: Path, schema: pa.Schema, *, hint: str | None = None) -> None:
        """Open the file.

        Args:
            path: Its suffix decides the format.
            schema: Its columns; CSV leaves out those with one value a unit.
            hint: What to do where the file cannot be written.

        Raises:
            OutputError: The file cannot be written.
        """
        self._path, self._hint = path, hint
        self._temporary = temporary_path(path)
        try:
            self._writer = self._open(schema)
        except OSError as error:
            raise self._error(error) from None

    def _open(self, schema: pa.Schema) -> "pq.ParquetWriter | _JsonLines | _Csv":
        match records_suffix(self._path):
            case ".parquet":
                return pq.ParquetWriter(self._temporary, schema, compression="zstd")
            case ".jsonl":
                return _JsonLines(self._temporary)
            case _:
                return _Csv(self._temporary, schema.names)

    def write(self, records: pa.Table) -> None:
        """Append records, in a row group of their own where the format has such.

        Raises:
            OutputError: The file cannot be written.
        """
        try:
            self._writer.write_table(records)
        except OSError as error:
            raise self._error(error) from None

    def _error(self, error: OSError) -> OutputError:
        return OutputError(self._path, problem_of(error), hint=self._hint)

    def __enter__(self) -> "RecordsWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._writer.close()
            if kind is None:
                self._temporary.replace(self._path)
        except OSError as error:
            if kind is None:  # else what went wrong first is what to tell
                raise self._error(error) from None
        finally:
            self._temporary.unlink(missing_ok=True)
