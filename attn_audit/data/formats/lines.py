"""The lines of a text file, a gzip file or standard input, decoded one by one."""

import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from attn_audit.data.rows import line_of
from attn_audit.errors import RowError, UnreadableDataError


def decoded_lines(path: Path | None, name: str) -> Iterator[str]:
    """Lines of UTF-8 text with their line ends, one at a time; a byte-order mark is dropped.

    Args:
        path: The file, unpacked when it is called `.gz`; None for standard input.
        name: What messages call it.

    Raises:
        RowError: A line is not UTF-8, or holds NUL bytes.
        UnreadableDataError: The file cannot be opened, or its compression is damaged.
    """
    try:
        with _opened(path) as stream:
            for number, line in enumerate(stream, start=1):
                yield _decoded(line, name, number)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableDataError(name, f"not a whole gzip file ({error})") from error
    except OSError as error:
        raise UnreadableDataError(name, error.strerror or str(error)) from error


def _opened(path: Path | None) -> AbstractContextManager[Iterable[bytes]]:
    if path is None:
        return nullcontext(sys.stdin.buffer)
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _decoded(line: bytes, name: str, number: int) -> str:
    if b"\0" in line:
        raise RowError(line_of(name, number), "NUL bytes", hint="Is it UTF-16? Save it as UTF-8.")
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte 0x{line[error.start]:02x} at position {error.start + 1})"
        raise RowError(line_of(name, number), problem, hint="Save the file as UTF-8.") from error
