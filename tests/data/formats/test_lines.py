import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from attn_audit.data.example import Example
from attn_audit.data.formats import lines
from attn_audit.data.formats.lines import bounded_lines, decoded_lines
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


ReadLines = Callable[..., list[Example]]
GOOD = '{"text": "good", "label": 1}'


def test_names_file_line_and_column_of_malformed_json(read_lines: ReadLines) -> None:
    expected = r"^test.jsonl:2: malformed JSON: Expecting ',' delimiter \(column 12\)$"
    with pytest.raises(RowError, match=expected) as caught:
        read_lines(GOOD, '{"text": 5 "label": 1}')
    assert caught.value.hint is not None


def test_counts_blank_lines_and_skips_them(read_lines: ReadLines) -> None:
    examples = read_lines("", GOOD, "   ", '{"text": "bad"}')
    assert [example.where for example in examples] == ["test.jsonl:2", "test.jsonl:4"]


def test_accepts_crlf_and_a_missing_last_line_end(read_lines: ReadLines) -> None:
    assert len(read_lines(f"{GOOD}\r", f"{GOOD}\r")) == 2


@pytest.mark.parametrize("line", ["[1, 2]", '"text"', "17", "null"])
def test_refuses_lines_that_are_no_object(read_lines: ReadLines, line: str) -> None:
    with pytest.raises(RowError, match=r"test.jsonl(:| row )1: not a JSON object"):
        read_lines(line)


def test_refuses_json_nested_too_deeply(read_lines: ReadLines) -> None:
    with pytest.raises(RowError, match=r"test.jsonl:1: JSON nested too deeply"):
        read_lines("[" * 200_000)


def test_refuses_numbers_with_too_many_digits(read_lines: ReadLines) -> None:
    with pytest.raises(RowError, match=r"test.jsonl:1: malformed JSON"):
        read_lines('{"text": "a", "label": ' + "1" * 5000 + "}")


@pytest.mark.parametrize("lines", [[], [""], ["", " "]])
def test_refuses_a_file_without_examples(read_lines: ReadLines, lines: list[str]) -> None:
    with pytest.raises(UnreadableDataError, match=r"test.jsonl: it holds no examples"):
        read_lines(*lines)


def test_shows_little_of_the_users_text_and_no_terminal_escapes(read_lines: ReadLines) -> None:
    with pytest.raises(RowError) as caught:
        read_lines('"\\u001b[31m' + "secret " * 1000 + '"')
    assert len(caught.value.message) < 120
    assert caught.value.message.isprintable()


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
    assert stream.n_read == lines.MAX_LINE + 1


LINE = b" " * 999 + b"\n"


def test_a_gzip_bomb_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "ALWAYS_ALLOWED", 10**6)
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
