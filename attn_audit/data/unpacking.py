"""Lines of files that may be packed, never more of them in memory than a limit allows."""

import gzip
from collections.abc import Iterator
from typing import IO, Protocol, runtime_checkable

from attn_audit.data.rows import line_of
from attn_audit.errors import RowError, UnreadableDataError
from attn_audit.locations import AnyPath

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
        stream: Of bytes.
        name: What messages call it.
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
        path: Of the file.
        opened: The file.
        max_mb: What the user allows; None: by the file's size.
    """
    allowed = max(ALWAYS_ALLOWED, MAX_RATIO * path.stat().st_size)
    return gzip.GzipFile(fileobj=opened), allowed if max_mb is None else max_mb * 10**6
