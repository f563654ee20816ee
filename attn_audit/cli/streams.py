"""Standard streams that cannot be written to: on a full disk, or with nobody at the other end."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from attn_audit.errors import OutputError
from attn_audit.files import problem_of


class StandardOutput(io.TextIOWrapper):
    """Standard output that says by name that it cannot be written.

    Where whoever reads it has seen enough, it goes nowhere from then on, which is no error.
    """

    def write(self, text: str, /) -> int:
        """Write text.

        Raises:
            OutputError: It cannot be written.
        """
        try:
            return super().write(text)
        except OSError as error:
            self._fail(error)
            return len(text)

    def flush(self) -> None:
        """Write what was held back.

        Raises:
            OutputError: It cannot be written.
        """
        try:
            super().flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        silence(self)
        if not isinstance(error, BrokenPipeError):
            raise OutputError("standard output", problem_of(error)) from None


@contextmanager
def naming_standard_output() -> Iterator[None]:
    """Within: errors of standard output say that they are; at the end, everything is written.

    Raises:
        OutputError: It cannot be written.
    """
    plain = sys.stdout
    if not isinstance(plain, io.TextIOWrapper):
        yield  # closed by whoever started this
        return
    encoding, errors, is_by_line = plain.encoding, plain.errors, plain.line_buffering
    named = StandardOutput(plain.detach(), encoding, errors, line_buffering=is_by_line)
    sys.stdout = named
    try:
        yield
    finally:
        named.flush()


def silence(stream: TextIO) -> None:
    """What could not be written must not fail once more at exit.

    Args:
        stream: Of a file.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
