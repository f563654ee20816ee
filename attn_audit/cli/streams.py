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
    """Standard output that says by name that it cannot be written."""

    def write(self, text: str, /) -> int:
        """Write text.

        Raises:
            OutputError: It cannot be written.
            BrokenPipeError: Nobody reads any more.
        """
        try:
            return super().write(text)
        except OSError as error:
            raise self._failed(error) from None

    def flush(self) -> None:
        """Write what was held back.

        Raises:
            OutputError: It cannot be written.
            BrokenPipeError: Nobody reads any more.
        """
        try:
            super().flush()
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> Exception:
        if isinstance(error, BrokenPipeError):
            return error
        silence(self)
        return OutputError("standard output", problem_of(error))


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
        try:
            named.flush()
        except BrokenPipeError:
            silence(named)  # whoever read it has seen enough


def silence(stream: TextIO) -> None:
    """What could not be written must not fail once more at exit.

    Args:
        stream: Of a file.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
