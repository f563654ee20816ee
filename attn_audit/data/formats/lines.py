"""Text files line by line, packed or not, never more in memory than a limit; JSON Lines."""

import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, Protocol, runtime_checkable

from attn_audit.data.formats.base import FileFormat
from attn_audit.data.rows import Row, line_of
from attn_audit.data.source import DataSource
from attn_audit.errors import RowError, UnreadableDataError
from attn_audit.files import AnyPath, problem_of
from attn_audit.quoting import quoted


def decoded_lines(
    path: AnyPath | None, name: str, max_unpacked_mb: int | None = None
) -> Iterator[str]:
    """Lines of UTF-8 text with their line ends, one at a time; a byte-order mark is dropped.

    Args:
        path: The file, unpacked when it is called `.gz`; None for standard input.
        max_unpacked_mb: How much a packed file may hold; None: as much as is likely for its size.

    Raises:
        RowError: A line is not UTF-8, holds NUL bytes, or is longer than any text.
        UnreadableDataError: The file cannot be opened, its compression is damaged, or it unpacks
            to more than is allowed.
    """
    try:
        for number, line in enumerate(_lines(path, name, max_unpacked_mb), start=1):
            yield _decoded(line, name, number)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableDataError(name, f"not a whole gzip file ({error})") from error
    except OSError as error:
        raise UnreadableDataError(name, problem_of(error)) from error


MAX_IN_MEMORY = 2**26
"""Bytes of lines read ahead that are kept in memory; more go to a temporary file."""


class KeptLines:
    """Lines of a stream that can be read once, and may be looked at before their turn."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        while (line := next(self._lines, None)) is not None:
            yield line

    def ahead(self) -> Iterator[str]:
        """The lines whose turn has not come, as many as the caller wants; all will come."""
        rest = self._lines
        with ExitStack() as stack:
            kept = stack.enter_context(
                SpooledTemporaryFile(MAX_IN_MEMORY, "w+", encoding="utf-8", newline="\n")
            )
            try:
                for line in rest:
                    kept.write(line)
                    yield line
            finally:
                kept.seek(0)
                self._lines = chain(_until_closed(kept, stack.pop_all()), rest)


def _until_closed(lines: Iterable[str], closing: ExitStack) -> Iterator[str]:
    with closing:
        yield from lines


def _lines(path: AnyPath | None, name: str, max_unpacked_mb: int | None) -> Iterator[bytes]:
    if path is None:
        yield from bounded_lines(sys.stdin.buffer, name, None)
        return
    with path.open("rb") as opened:
        if not path.name.lower().endswith(".gz"):
            yield from bounded_lines(opened, name, None)
            return
        stream, max_bytes = unpacked(path, opened, max_unpacked_mb)
        yield from bounded_lines(stream, name, max_bytes)


def _decoded(line: bytes, name: str, number: int) -> str:
    if b"\0" in line:
        raise RowError(line_of(name, number), "NUL bytes", hint="Is it UTF-16? Save it as UTF-8.")
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte 0x{line[error.start]:02x} at position {error.start + 1})"
        raise RowError(line_of(name, number), problem, hint="Save the file as UTF-8.") from error


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


MAX_LINE = 2**26
"""Bytes of the longest line: 64 MiB, some ten million words."""

MAX_RATIO, ALWAYS_ALLOWED = 100, 10**8
"""Text is packed to a third or a tenth. What unpacks to a hundred times its size, and to more than
100 MB, is taken for a bomb."""


@runtime_checkable
class Stream(Protocol):
    """What lines are read from."""

    def readline(self, size: int, /) -> bytes:
        """One line, or the first `size` bytes of it."""
        ...


def bounded_lines(stream: Stream, name: str, max_bytes: int | None) -> Iterator[bytes]:
    """Lines with their ends.

    Args:
        max_bytes: Of all lines together; None: any number.

    Raises:
        RowError: A line is longer than `MAX_LINE`.
        UnreadableDataError: The lines are more than `max_bytes`.
    """
    total, number = 0, 0
    while line := stream.readline(MAX_LINE + 1):
        total, number = total + len(line), number + 1
        if max_bytes is not None and total > max_bytes:
            raise UnreadableDataError(
                name,
                f"it unpacks to more than {max_bytes / 1e6:,.0f} MB",
                hint="If it is no trap, allow more with --max-unpacked-mb.",
            )
        if len(line) > MAX_LINE:
            problem = f"a line of more than {MAX_LINE / 2**20:.0f} MiB"
            raise RowError(line_of(name, number), problem, hint="One line holds one example.")
        yield line


def unpacked(path: AnyPath, opened: IO[bytes], max_mb: int | None) -> tuple[Stream, int]:
    """The content of a gzip file, and how many bytes of it are allowed.

    Args:
        max_mb: What the user allows; None: by the file's size.
    """
    allowed = max(ALWAYS_ALLOWED, MAX_RATIO * path.stat().st_size)
    return gzip.GzipFile(fileobj=opened), allowed if max_mb is None else max_mb * 10**6
