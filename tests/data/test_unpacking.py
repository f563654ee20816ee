import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from attn_audit.data import unpacking
from attn_audit.data.formats.lines import decoded_lines
from attn_audit.data.unpacking import bounded_lines
from attn_audit.errors import RowError, UnreadableDataError

Write = Callable[[str, str | bytes], Path]


def test_a_line_of_megabytes_is_read(write: Write) -> None:
    path = write("test.jsonl", "x" * 5_000_000 + "\nshort\n")
    assert [len(line) for line in decoded_lines(path, path.name)] == [5_000_001, 6]


def test_a_line_longer_than_any_text_is_refused_before_it_is_read() -> None:
    class Endless:
        n_read = 0

        def readline(self, size: int, /) -> bytes:
            self.n_read += size
            return b"x" * size

    stream = Endless()
    with pytest.raises(RowError, match=r"^test.jsonl:1: a line of more than 64 MiB$"):
        list(bounded_lines(stream, "test.jsonl", None))
    assert stream.n_read == unpacking.MAX_LINE + 1


LINE = b" " * 999 + b"\n"


def test_a_gzip_bomb_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "ALWAYS_ALLOWED", 10**6)
    path = write("test.jsonl.gz", gzip.compress(LINE * 5_000))
    with pytest.raises(UnreadableDataError, match="it unpacks to more than 1 MB") as caught:
        list(decoded_lines(path, path.name))
    assert caught.value.hint is not None
    assert "--max-unpacked-mb" in caught.value.hint
    assert sum(1 for _ in decoded_lines(path, path.name, max_unpacked_mb=5)) == 5_000


def test_lines_are_cut_where_the_file_cuts_them() -> None:
    assert list(bounded_lines(io.BytesIO(b"a\r\nb\n\nc"), "t", None)) == [
        b"a\r\n",
        b"b\n",
        b"\n",
        b"c",
    ]
