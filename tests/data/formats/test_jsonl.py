from collections.abc import Callable

import pytest

from attn_audit.data.example import Example
from attn_audit.errors import RowError, UnreadableDataError

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
    with pytest.raises(RowError, match=r"test.jsonl:1: not a JSON object"):
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
