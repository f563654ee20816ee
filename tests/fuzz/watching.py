"""Which files this process opens to write, by Python's own account."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attn_audit.cli.last_report import folder_of_last

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_watched: list[str] | None = None


@contextmanager
def written_elsewhere(output: Path) -> Iterator[list[str]]:
    """Collect the files that are opened to write outside of a folder.

    Args:
        output: Where a command may write, beside temporary folders of its own and what it keeps.

    Yields:
        Their names; complete only afterwards.
    """
    global _watched
    own = str(Path(tempfile.gettempdir()) / "attn-audit-"), str(folder_of_last().parent)
    allowed = (str(output), "/dev/null", *own)
    opened: list[str] = []
    found: list[str] = []
    _watched = opened
    try:
        yield found
    finally:
        _watched = None
        found += [name for name in opened if not name.startswith(allowed)]


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched is None or event not in ("open", "os.mkdir", "os.rename"):
        return
    path = arguments[1] if event == "os.rename" else arguments[0]
    flags = arguments[2] if event == "open" else _WRITING
    if isinstance(path, (str, bytes)) and isinstance(flags, int) and flags & _WRITING:
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - links are not followed
        if "__pycache__" not in name:
            _watched.append(name)


sys.addaudithook(_hear)
