"""JSON Lines: one object a line."""

import json
from collections.abc import Iterable, Iterator

from attn_audit.data.formats.base import FileFormat
from attn_audit.data.formats.lines import KeptLines, decoded_lines
from attn_audit.data.quoting import quoted
from attn_audit.data.rows import Row, line_of
from attn_audit.data.source import DataSource
from attn_audit.errors import RowError
from attn_audit.locations import AnyPath

HINT = 'Every line must be one JSON object: {"text": ..., "label": ...}.'


class JsonLines(FileFormat):
    """One object a line; blank lines are counted and skipped."""

    suffixes = (".jsonl", ".jsonl.gz")

    def rows(self, path: AnyPath, name: str, source: DataSource) -> Iterator[Row]:
        """The objects; a line that is not UTF-8, not JSON, or not an object is an error."""
        return _rows(decoded_lines(path, name, source.max_unpacked_mb), name)


class StandardInput:
    """The objects on standard input, some of them looked at before their turn."""

    def __init__(self, name: str) -> None:
        self._name, self._lines = name, KeptLines(decoded_lines(None, name))

    def rows(self) -> Iterator[Row]:
        """One after the other, as those of a file."""
        return _rows(self._lines, self._name)

    def rows_behind(self, row: Row) -> Iterator[Row]:
        """The row that was given last, and those that will be."""
        yield row
        yield from _rows(self._lines.ahead(), self._name, row.number + 1)


def _rows(lines: Iterable[str], name: str, first: int = 1) -> Iterator[Row]:
    for number, line in enumerate(lines, start=first):
        if line.strip():
            values = _object(line, line_of(name, number))
            yield Row(values, values.keys(), name, number)


def _object(line: str, where: str) -> dict[str, object]:
    value = _parsed(line, where)
    if not isinstance(value, dict):
        raise RowError(where, f"not a JSON object: {quoted(value)}", hint=HINT)
    return value


def _parsed(line: str, where: str) -> object:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        problem = f"malformed JSON: {error.msg} (column {error.colno})"
        raise RowError(where, problem, hint=HINT) from error
    except ValueError as error:  # a number of more than 4,300 digits
        raise RowError(where, f"malformed JSON: {error}", hint=HINT) from error
    except RecursionError as error:
        raise RowError(where, "JSON nested too deeply", hint=HINT) from error
