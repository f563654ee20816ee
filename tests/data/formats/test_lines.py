import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from attn_audit.data.formats.lines import decoded_lines
from attn_audit.errors import RowError, UnreadableDataError

Write = Callable[[str, str | bytes], Path]


def test_names_line_and_byte_of_invalid_utf8(write: Write) -> None:
    path = write("test.jsonl", b"one\ntw\xffo\n")
    with pytest.raises(RowError, match=r"^test.jsonl:2: not UTF-8 \(byte 0xff at position 3\)$"):
        list(decoded_lines(path, "test.jsonl"))


def test_reads_lines_before_the_damaged_one(write: Write) -> None:
    lines = decoded_lines(write("test.jsonl", b"one\n\xff\n"), "test.jsonl")
    assert next(lines) == "one\n"


def test_guesses_utf16_from_nul_bytes(write: Write) -> None:
    path = write("test.csv", "text,label\n".encode("utf-16-le"))
    with pytest.raises(RowError, match=r"test.csv:1: NUL bytes") as caught:
        list(decoded_lines(path, "test.csv"))
    assert caught.value.hint is not None
    assert "UTF-16" in caught.value.hint


def test_drops_a_byte_order_mark_at_the_beginning_only(write: Write) -> None:
    path = write("test.jsonl", "\ufeffone\n\ufefftwo\n")
    assert list(decoded_lines(path, "test.jsonl")) == ["one\n", "\ufefftwo\n"]


def test_unicode_line_separators_end_no_line(write: Write) -> None:
    path = write("test.jsonl", "one\u2028still one\x85\n")
    assert len(list(decoded_lines(path, "test.jsonl"))) == 1


def test_unpacks_gzip(write: Write) -> None:
    path = write("test.jsonl.gz", gzip.compress(b"one\ntwo\n"))
    assert list(decoded_lines(path, path.name)) == ["one\n", "two\n"]


@pytest.mark.parametrize("damage", ["not gzip", "truncated", "altered"])
def test_refuses_damaged_gzip(write: Write, damage: str) -> None:
    whole = gzip.compress(bytes(range(1, 128)) * 50, mtime=0)
    content = {
        "not gzip": b"{}\n",
        "truncated": whole[: len(whole) // 2],
        "altered": whole[:30] + bytes([whole[30] ^ 0xFF]) + whole[31:],
    }[damage]
    path = write("test.jsonl.gz", content)
    with pytest.raises(UnreadableDataError, match=r"test.jsonl.gz: not a whole gzip file"):
        list(decoded_lines(path, path.name))


def test_names_a_file_that_may_not_be_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write("test.jsonl", "")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableDataError, match=r"cannot read test.jsonl: Permission denied"):
        list(decoded_lines(path, path.name))
