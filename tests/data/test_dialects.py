"""Tables and JSON as people save them: read as they are meant, or refused with what helps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from attn_audit.data.example import Example
from attn_audit.data.reading import find_data, read_examples
from attn_audit.data.source import DataSource, FieldNames
from attn_audit.errors import RowError, UnreadableDataError
from attn_audit.models.task import Binary, Multilabel, match_labels

Write = Callable[[str, str | bytes], Path]
SENTIMENT, EMOTIONS = Binary(("negative", "positive")), Multilabel(("anger", "joy", "sad, blue"))


def read(path: Path, **options: Any) -> list[Example]:
    return list(read_examples(DataSource(str(path), **options)))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_is_separated_as_its_header_shows(write: Write, delimiter: str) -> None:
    rows = [["note", "text", "label"], ["a", '"one; two, and\tthree"', "1"]]
    path = write("test.csv", "".join(f"{delimiter.join(row)}\n" for row in rows))
    (example,) = read(path)
    assert (example.text, example.labels) == ("one; two, and\tthree", ("1",))


def test_fields_of_a_table_with_semicolons_are_listed_one_by_one(write: Write) -> None:
    path = write("test.csv", "Ticket ID;Customer, text;Label\n1;fine;0\n")
    with pytest.raises(RowError, match=r"\(fields: Ticket ID, Customer, text, Label\)"):
        read(path)
    assert read(path, fields=FieldNames(text="Customer, text"))[0].text == "fine"


def test_a_header_of_one_field_is_separated_by_nothing(write: Write) -> None:
    assert [e.text for e in read(write("test.csv", "text\nfine; really\n"))] == ["fine; really"]


@pytest.mark.parametrize("name", ["test.jsonl", "test.ndjson", "test.json"])
@pytest.mark.parametrize(
    "content",
    [
        '{"text": "a"}\n\n{"text": "b"}\n',
        '[{"text": "a"}, {"text": "b"}]',
        '\n[\n  {\n    "text":\n "a"\n  },\n  {"text": "b"}\n]\n\n',
    ],
)
def test_json_is_lines_or_an_array(write: Write, name: str, content: str) -> None:
    assert [example.text for example in read(write(name, content))] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[{"text": "a"},', "array is not closed"),
        ('[{"text": "a"}]\n{"text": "b"}', "test.json:1: malformed JSON: there is more behind"),
        ('[{"text": "a"} {]', "test.json:1: malformed JSON"),
        ('[\n{"text": "a",\n"b: 1}]', "test.json:3: malformed JSON: Unterminated string"),
        ('[{"text": "a"}, 5]', "test.json row 2: not a JSON object: 5"),
        ('{"rows": [\n{"text": "a"}]}', "test.json:1: malformed JSON"),
    ],
)
def test_a_broken_array_is_refused_where_it_breaks(
    write: Write, content: str, problem: str
) -> None:
    with pytest.raises((RowError, UnreadableDataError), match=problem):
        read(write("test.json", content))


def test_an_item_of_an_array_is_named_by_its_place(write: Write) -> None:
    assert [e.where for e in read(write("a.json", '[{"text": "a"},\n{"text": "b"}]'))] == [
        "a.json row 1", "a.json row 2",
    ]  # fmt: skip


def test_fields_within_objects_are_named_with_dots(write: Write, tmp_path: Path) -> None:
    row = {"review": {"body": "fine", "meta": {"stars": 1}}, "key": {"id": "k"}}
    fields = FieldNames(text="review.body", label="review.meta.stars", id="key.id")
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    for path in (write("a.jsonl", json.dumps(row)), tmp_path / "a.parquet"):
        (example,) = read(path, fields=fields)
        assert (example.text, example.labels, example.id) == ("fine", ("1",), "k")
        with pytest.raises(RowError, match=r"no field 'review.txt' \(fields: review.body, review"):
            read(path, fields=FieldNames(text="review.txt"))


def test_a_field_that_is_called_with_a_dot_is_itself(write: Write) -> None:
    row = {"a.b": "plain", "a": {"b": "within"}}
    assert read(write("a.jsonl", json.dumps(row)), fields=FieldNames(text="a.b"))[0].text == "plain"


def shards(folder: Path, n: int, of: int) -> Path:
    folder.mkdir()
    for i in range(n):
        name = f"test-{i:05}-of-{of:05}.parquet"
        parquet.write_table(pa.table({"text": [f"film {i}"], "id": [str(i)]}), folder / name)
    return folder


def test_shards_of_a_split_are_read_in_order(tmp_path: Path) -> None:
    folder = shards(tmp_path / "films", 3, 3)
    assert [example.text for example in read(folder)] == ["film 0", "film 1", "film 2"]
    assert read(folder)[2].where == "test-00002-of-00003.parquet row 1"
    found = find_data(DataSource(str(folder)))
    assert found.name == "test-00000-of-00003.parquet and 2 more"
    assert found.fingerprint() != find_data(DataSource(str(next(folder.iterdir())))).fingerprint()


def test_a_missing_shard_is_no_smaller_data_set(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDataError, match="is one of 3 parts, and there are 2"):
        read(shards(tmp_path / "films", 2, 3))


@pytest.mark.parametrize("label", [" positive", "positive\t", "POSITIVE ", "1.0", " 1", 1.0])
def test_blanks_and_decimals_of_a_label_say_nothing(write: Write, label: object) -> None:
    path = write("test.jsonl", json.dumps({"text": "a", "label": label}))
    assert [e.labels for e in match_labels(SENTIMENT, read(path))] == [("positive",)]


def test_ids_are_as_the_file_has_them(write: Write) -> None:
    path = write("test.csv", "id,text\n1,a\n1.0,b\n 1,c\n")
    assert [example.id for example in read(path)] == ["1", "1.0", " 1"]


@pytest.mark.parametrize(
    "cell", ["[0, 2]", "['anger', 'sad, blue']", '["anger", "sad, blue"]', "0|2"]
)
def test_a_list_may_be_written_as_text(write: Write, cell: str) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    table = write("test.csv", f"text,labels\na,{quoted}\n")
    found = [match_labels(EMOTIONS, read(table))[0].labels]
    if "|" not in cell:
        lines = write("test.jsonl", json.dumps({"text": "a", "labels": cell}))
        found += [match_labels(EMOTIONS, read(lines))[0].labels]
    assert set(found) == {("anger", "sad, blue")}


def test_a_list_as_text_may_be_multi_hot(write: Write) -> None:
    path = write("test.csv", 'text,labels\na,"[0, 1, 1]"\nb,"[1, 1, 0]"\n')
    assert [e.labels for e in match_labels(EMOTIONS, read(path))] == [
        ("joy", "sad, blue"), ("anger", "joy"),
    ]  # fmt: skip


@pytest.mark.parametrize("cell", ["[0 1]", "[" * 5000, "[open()]"])
def test_a_list_that_nothing_reads_is_refused_with_what_helps(write: Write, cell: str) -> None:
    with pytest.raises(RowError, match="'labels' must be a list") as caught:
        read(write("test.csv", f'text,labels\na,"{cell}"\n'))
    assert "with commas" in str(caught.value.hint)


def test_a_list_in_the_field_of_one_label_is_refused_with_what_helps(write: Write) -> None:
    with pytest.raises(RowError, match="'label' must be a string or an integer") as caught:
        read(write("test.csv", 'text,label\na,"[0, 1]"\n'))
    assert "--labels-field" in str(caught.value.hint)


def test_rows_with_a_label_that_is_mapped_to_nothing_are_no_examples(write: Write) -> None:
    options = {"label_map": {"neutral": "", "sad, blue": ""}}
    path = write("a.csv", "id,text,label\n1,a,neutral\n1,b,positive\n3,c,neutral \n")
    assert [example.text for example in read(path, **options)] == ["b"]
    path = write(
        "b.jsonl", '{"text": "a", "labels": ["joy", "sad, blue"]}\n{"text": "b", "labels": []}'
    )
    assert [example.text for example in read(path, **options)] == ["b"]
    path = write("c.jsonl", '{"text": "a", "label": "x", "candidates": ["x", "neutral"]}')
    assert read(path, **options)[0].candidates == ("x", "neutral")


def test_a_place_of_multi_hot_lists_may_be_mapped_to_nothing(write: Write) -> None:
    rows = [{"text": "a", "labels": [1, 1, 0]}, {"text": "b", "labels": [0, 1, 1]}]
    path = write("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    (example,) = read(path, label_map={"2": ""})
    assert match_labels(EMOTIONS, [example])[0].labels == ("anger", "joy")
