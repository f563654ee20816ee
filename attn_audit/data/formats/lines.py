"""The lines of a text file, a gzip file or standard input, decoded one by one."""

import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from tempfile import SpooledTemporaryFile

from attn_audit.data.rows import line_of
from attn_audit.data.unpacking import bounded_lines, unpacked
from attn_audit.errors import RowError, UnreadableDataError
from attn_audit.files import problem_of
from attn_audit.locations import AnyPath


def decoded_lines(
    path: AnyPath | None, name: str, max_unpacked_mb: int | None = None
) -> Iterator[str]:
    """Lines of UTF-8 text with their line ends, one at a time; a byte-order mark is dropped.

    Args:
        path: The file, unpacked when it is called `.gz`; None for standard input.
        name: What messages call it.
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
