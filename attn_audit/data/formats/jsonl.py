"""JSON Lines: one object a line."""

import json
from collections.abc import Iterator

from attn_audit.data.formats.lines import decoded_lines
from attn_audit.data.quoting import quoted
from attn_audit.data.rows import Row, line_of
from attn_audit.errors import RowError
from attn_audit.locations import AnyPath

HINT = 'Every line must be one JSON object: {"text": ..., "label": ...}.'


def jsonl_rows(
    path: AnyPath | None, name: str, max_unpacked_mb: int | None = None
) -> Iterator[Row]:
    """The objects of a JSON Lines file; blank lines are counted and skipped.

    Args:
        path: The file, perhaps gzipped; None for standard input.
        name: What messages call it.
        max_unpacked_mb: How much a packed file may hold; None: what is likely for its size.

    Raises:
        RowError: A line is not UTF-8, not JSON, or not an object.
        UnreadableDataError: The file cannot be read.
    """
    for number, line in enumerate(decoded_lines(path, name, max_unpacked_mb), start=1):
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
