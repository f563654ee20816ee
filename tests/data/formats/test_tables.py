from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attn_audit.data.example import Example
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource, FieldNames, Quoting
from attn_audit.errors import RowError, UnreadableDataError

Write = Callable[[str, str | bytes], Path]


def read(path: Path, quoting: Quoting = "auto", **names: Any) -> list[Example]:
    source = DataSource(str(path), fields=FieldNames(**names), quoting=quoting)
    return list(read_examples(source))


def test_reads_quoted_cells_with_commas_marks_and_line_ends(write: Write) -> None:
    path = write("test.csv", 'text,label\r\n"a ""fine"", long\r\nfilm",pos\r\n')
    (example,) = read(path)
    assert (example.text, example.labels) == ('a "fine", long\r\nfilm', ("pos",))


def test_names_the_line_on_which_a_row_begins(write: Write) -> None:
    path = write("test.csv", 'text\n"two\nlines"\n\nthird\n')
    assert [example.where for example in read(path)] == ["test.csv:2", "test.csv:5"]


def test_splits_lists_at_bars(write: Write) -> None:
    path = write("test.tsv", "text\tlabels\tcandidates\na film\tjoy|love\tjoy|love|fear\n")
    (example,) = read(path)
    assert example.labels == ("joy", "love")
    assert example.candidates == ("joy", "love", "fear")


def test_a_renamed_label_is_never_split(write: Write) -> None:
    path = write("test.csv", "text,labels\na film,joy|love\n")
    (example,) = read(path, label="labels")
    assert example.labels == ("joy|love",)


def test_empty_cells_are_no_label_no_candidates_and_no_id(write: Write) -> None:
    path = write("test.csv", "id,text,label,candidates\n,a film,,\n")
    (example,) = read(path)
    assert example.labels is None
    assert example.candidates is None
    assert len(example.id) == 16


@pytest.mark.parametrize(("column", "row"), [("text", ",b"), ("text_pair", "a, ")])
def test_an_empty_text_is_an_error(write: Write, column: str, row: str) -> None:
    path = write("test.csv", f"text,text_pair\n{row}\n")
    with pytest.raises(RowError, match=f"test.csv:2: '{column}' is blank"):
        read(path)


@pytest.mark.parametrize(("row", "found"), [("a,b,c", 3), ("a", 1)])
def test_refuses_rows_of_another_width(write: Write, row: str, found: int) -> None:
    path = write("test.csv", f"text,label\na,b\n{row}\n")
    with pytest.raises(RowError, match=rf"test.csv:3: {found} cells, but the header has 2"):
        read(path)


def test_names_the_columns_when_the_text_is_not_among_them(write: Write) -> None:
    path = write("test.csv", "sentence,label\na,b\n")
    expected = r"test.csv:1: no field 'text' \(fields: sentence, label\)"
    with pytest.raises(RowError, match=expected) as caught:
        read(path)
    assert caught.value.hint == "Name it with --text-field."


def test_refuses_a_repeated_column(write: Write) -> None:
    with pytest.raises(RowError, match=r"test.csv:1: header repeats text"):
        read(write("test.csv", "text,text\na,b\n"))


def test_ignores_spaces_around_column_names(write: Write) -> None:
    assert read(write("test.csv", "text, label\na,b\n"))[0].labels == ("b",)


@pytest.mark.parametrize("content", ['text\nfine\n"open\nto the end\n', 'text\nfine\n"a" b\n'])
def test_names_the_row_whose_quotation_marks_do_not_pair(write: Write, content: str) -> None:
    with pytest.raises(RowError, match=r"test.csv:3: malformed table"):
        read(write("test.csv", content))


def test_shows_no_bare_tab_in_a_message(write: Write) -> None:
    with pytest.raises(RowError) as caught:
        read(write("test.tsv", 'text\tlabel\n"a" b\tc\n'), "csv")
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("content", ["", "\n", "text,label\n"])
def test_refuses_a_table_without_rows(write: Write, content: str) -> None:
    with pytest.raises(UnreadableDataError, match="it holds no examples"):
        read(write("test.csv", content))


def test_accepts_a_byte_order_mark_before_the_header(write: Write) -> None:
    assert read(write("test.csv", b"\xef\xbb\xbftext\nfilm\n"))[0].text == "film"


def test_names_the_line_of_invalid_utf8_and_of_nul(write: Write) -> None:
    with pytest.raises(RowError, match=r"test.csv:2: not UTF-8"):
        read(write("test.csv", b"text\nfilm\xe9\n"))
    with pytest.raises(RowError, match=r"test.csv:3: NUL bytes"):
        read(write("test.csv", b"text\nfilm\n\0\n"))


def test_a_list_is_read_from_the_field_that_is_said_to_hold_one(write: Write) -> None:
    (example,) = read(write("test.csv", "text,label\na film,joy|love\n"), labels="label")
    assert example.labels == ("joy", "love")


@pytest.mark.parametrize(
    ("content", "quoting", "texts"),
    [
        ('text\tlabel\n"Great" film\t1\n', "auto", ['"Great" film']),
        ('text\tlabel\n"Great" film\t1\n', "none", ['"Great" film']),
        ('text\tlabel\n"Great film"\t1\n', "auto", ['"Great film"']),
        ('text\tlabel\n"Great film"\t1\n', "csv", ["Great film"]),
        ('text,label\n"Great, film",1\n', "auto", ["Great, film"]),
        ('text,label\n"Great" film,1\n', "none", ['"Great" film']),
    ],
)
def test_quoting_is_chosen(write: Write, content: str, quoting: Quoting, texts: list[str]) -> None:
    path = write("test.tsv" if "\t" in content else "test.csv", content)
    assert [example.text for example in read(path, quoting)] == texts


@pytest.mark.parametrize(
    ("name", "content", "quoting", "hint"),
    [
        ("test.csv", 'text,label\n"Great" film,1\n', "auto", "--quoting none"),
        ("test.csv", 'text,label\n"Great film,1\nbad,0\n', "auto", "--quoting none"),
        ("test.csv", "text,label\na, b,1\n", "none", "--quoting csv"),
        ("test.tsv", 'text\tlabel\n"a\tb\nc"\td" e\t1\n', "auto", "--quoting csv"),
    ],
)
def test_what_is_malformed_in_one_way_may_not_be_in_the_other(
    write: Write, name: str, content: str, quoting: Quoting, hint: str
) -> None:
    with pytest.raises(RowError) as caught:
        read(write(name, content), quoting)
    assert hint in (caught.value.hint or "")


def test_a_table_that_can_be_read_both_ways_is_refused(write: Write) -> None:
    path = write("test.tsv", 'text\n"a film\nand more"\n')
    with pytest.raises(UnreadableDataError, match="may quote cells of several lines") as caught:
        read(path)
    assert "--quoting csv or --quoting none" in (caught.value.hint or "")
    assert [e.text for e in read(path, "none")] == ['"a film', 'and more"']
    assert [e.text for e in read(path, "csv")] == ["a film\nand more"]


def test_literal_quotation_marks_of_the_case_file(shared: Path) -> None:
    examples = read(shared / "cases" / "data" / "literal_quotes.tsv")
    assert [example.text for example in examples] == [
        "a quiet garden",
        '"The machine forgets every letter .',
        "It follows the window .",
        'Nobody repeats it ."',
        "a boring committee",
        "an ordinary argument",
        "the end of the question",
    ]
    assert [example.labels for example in examples] == [(x,) for x in "0101010"]
