"""Text files line by line, packed or not, never more in memory than a limit; JSON row by row."""

import gzip
import json
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, Protocol, runtime_checkable

from attn_audit.data.source import DataSource, Row, line_of
from attn_audit.errors import RowError, UnreadableDataError
from attn_audit.files import AnyPath, problem_of
from attn_audit.quoting import quoted


def decoded_lines(path: AnyPath, name: str, max_unpacked_mb: int | None = None) -> Iterator[str]:
    """Lines of UTF-8 text with their line ends, one at a time; a byte-order mark is dropped.

    Args:
        path: The file, unpacked when it is called `.gz`.
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


def _lines(path: AnyPath, name: str, max_unpacked_mb: int | None) -> Iterator[bytes]:
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


HINT = (
    'Every line must be one JSON object: {"text": ..., "label": ...}; or all be an array of them.'
)


def json_rows(path: AnyPath, name: str, source: DataSource) -> Iterator[Row | RowError]:
    """One object a line, blank lines counted and skipped; or the objects of an array.

    What is not JSON, or not an object, is an error.
    """
    return _rows(decoded_lines(path, name, source.max_unpacked_mb), name)


MAX_IN_MEMORY = 2**26
"""Bytes of standard input that are kept in memory; more go to a temporary file."""


class StandardInput:
    """The objects on standard input, kept so that they can be read more than once."""

    def __init__(self, name: str) -> None:
        """Read it to its end.

        Raises:
            UnreadableDataError: It cannot be read.
        """
        self._name = name
        self._kept = SpooledTemporaryFile(MAX_IN_MEMORY)  # noqa: SIM115
        try:
            self._kept.writelines(bounded_lines(sys.stdin.buffer, name, None))
        except OSError as error:
            raise UnreadableDataError(name, problem_of(error)) from error

    def __del__(self) -> None:
        self._kept.close()

    def rows(self) -> Iterator[Row | RowError]:
        """One after the other, as those of a file; several readers do not disturb each other."""
        return _rows(self._lines(), self._name)

    def _lines(self) -> Iterator[str]:
        number = at = self._kept.seek(0)
        while line := self._kept.readline():
            number, at = number + 1, at + len(line)
            yield _decoded(line, self._name, number)
            self._kept.seek(at)


Numbered = Iterator[tuple[int, str]]


def _rows(lines: Iterator[str], name: str) -> Iterator[Row | RowError]:
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    first = next(numbered, None)
    if first is None:
        return iter(())
    of = _of_array if first[1].lstrip().startswith("[") else _of_lines
    return of(chain([first], numbered), name)


def _of_lines(numbered: Numbered, name: str) -> Iterator[Row | RowError]:
    for number, line in numbered:
        try:
            with _malformed_named(line_of(name, number)):
                value = json.loads(line)
        except RowError as error:
            yield error
        else:
            yield _row(value, name, number, "line")


def _row(value: object, name: str, number: int, counted_in: str) -> Row | RowError:
    if isinstance(value, dict):
        return Row(value, value.keys(), name, number, counted_in)
    where = Row({}, (), name, number, counted_in).where
    return RowError(where, f"not a JSON object: {quoted(value)}", hint=HINT)


_BETWEEN = re.compile(r"\s*(?:,\s*)?")


def _of_array(numbered: Numbered, name: str) -> Iterator[Row | RowError]:
    """The items of an array, each as soon as its last line is read."""
    decode = json.JSONDecoder().raw_decode
    text, n_items, is_open = "", 0, False
    for number, line in numbered:
        text, at = text + line, 0
        if not is_open:
            text, is_open = text.lstrip()[1:], True
        while (at := _end_of(_BETWEEN, text, at)) < len(text):
            if text[at] == "]":
                if text[at + 1 :].strip() or next(numbered, None) is not None:
                    problem = "malformed JSON: there is more behind the array"
                    raise RowError(line_of(name, number), problem, hint=HINT)
                return
            with _malformed_named(line_of(name, number)):
                try:
                    value, at = decode(text, at)
                except json.JSONDecodeError as error:
                    if error.pos < len(text.rstrip()):
                        raise
                    break  # its end is on a line to come
            n_items += 1
            yield _row(value, name, n_items, "row")
        text = text[at:]
        if len(text) > MAX_LINE:
            raise RowError(line_of(name, number), f"an item of more than {MAX_LINE >> 20} MiB")
    raise UnreadableDataError(name, "its array is not closed", hint="Was it cut short?")


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


@contextmanager
def _malformed_named(where: str) -> Iterator[None]:
    try:
        yield
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
    """Lines with their ends, of so many bytes together at most.

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
    """The content of a gzip file, and how many bytes are allowed: by its size, if not said."""
    allowed = max(ALWAYS_ALLOWED, MAX_RATIO * path.stat().st_size)
    return gzip.GzipFile(fileobj=opened), allowed if max_mb is None else max_mb * 10**6
