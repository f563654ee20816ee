"""Data sets made on the spot."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attn_audit.data.example import Example
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource

Write = Callable[[str, str | bytes], Path]
ReadLines = Callable[..., list[Example]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of the test's own and say where it is."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def read_lines(write: Write) -> ReadLines:
    """Read JSON lines as `test.jsonl`."""

    def read(*lines: str, **options: object) -> list[Example]:
        path = write("test.jsonl", "".join(f"{line}\n" for line in lines))
        return list(read_examples(DataSource(str(path), **options)))  # type: ignore[arg-type]

    return read
