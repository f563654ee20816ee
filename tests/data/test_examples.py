import json
from collections.abc import Callable

import pytest

from attn_audit.data.example import Example
from attn_audit.data.reading import FieldNames
from attn_audit.errors import RowError

ReadLines = Callable[..., list[Example]]


def test_reads_every_field(read_lines: ReadLines) -> None:
    row = {"id": 7, "text": "a", "text_pair": "b", "label": 1, "candidates": [1, "x"], "extra": {}}
    expected = Example("7", "a", "b", ("1",), ("1", "x"), "test.jsonl:1")
    assert read_lines(json.dumps(row)) == [expected]


def test_uses_the_data_sets_own_names(read_lines: ReadLines) -> None:
    names = FieldNames(id="key", text="sentence", text_pair="question", label="answer")
    row = '{"key": "k", "sentence": "a", "question": "b", "answer": "c", "text": 5, "id": []}'
    (example,) = read_lines(row, fields=names)
    assert (example.id, example.text, example.text_pair, example.labels) == ("k", "a", "b", ("c",))


@pytest.mark.parametrize("row", ['{"text": "a"}', '{"text": "a", "label": null, "labels": null}'])
def test_a_row_without_label_is_unlabelled(read_lines: ReadLines, row: str) -> None:
    assert read_lines(row)[0].labels is None


def test_an_empty_list_of_labels_is_a_gold_set(read_lines: ReadLines) -> None:
    assert read_lines('{"text": "a", "labels": []}')[0].labels == ()


def test_maps_labels_and_candidates_exactly(read_lines: ReadLines) -> None:
    row = '{"text": "a", "labels": [0, "joy"], "candidates": [0, "00", "joy"]}'
    (example,) = read_lines(row, label_map={"0": "negative"})
    assert example.labels == ("negative", "joy")
    assert example.candidates == ("negative", "00", "joy")


def test_labels_mapped_to_one_name_are_one(read_lines: ReadLines) -> None:
    row = '{"text": "a", "labels": ["joy", "love"]}'
    assert read_lines(row, label_map={"love": "joy"})[0].labels == ("joy",)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"label": 1}, r"row has no field 'text' \(fields: label\)"),
        ({"text": None}, "'text' is null"),
        ({"text": 5}, "'text' must be a string, not 5"),
        ({"text": " \t"}, "'text' is blank"),
        ({"text": "a\ud83d"}, r"'text' is not valid Unicode"),
        ({"text": "a", "text_pair": ""}, "'text_pair' is blank"),
        ({"text": "a", "text_pair": ["b"]}, r"'text_pair' must be a string, not \['b'\]"),
        ({"text": "a", "label": True}, "'label' must be a string or an integer, not True"),
        ({"text": "a", "label": 0.5}, "'label' must be a string or an integer, not 0.5"),
        ({"text": "a", "label": float("nan")}, "'label' must be a string or an integer, not nan"),
        ({"text": "a", "label": float("inf")}, "'label' must be a string or an integer, not inf"),
        ({"text": "a", "label": ["b"]}, "'label' must be a string or an integer, not"),
        ({"text": "a", "label": ""}, "'label' is blank"),
        ({"text": "a", "labels": "b"}, "'labels' must be a list, not 'b'"),
        ({"text": "a", "labels": [None]}, "'labels' must be a string or an integer, not None"),
        ({"text": "a", "label": 1, "labels": [1]}, "row has both 'label' and 'labels'"),
        ({"text": "a", "candidates": []}, "'candidates' is empty"),
        ({"text": "a", "candidates": "b"}, "'candidates' must be a list"),
        (
            {"text": "a", "label": "b", "candidates": ["c"]},
            r"label 'b' is not among the candidates \(c\)",
        ),
        ({"text": "a", "id": 1.5}, "'id' must be a string or an integer, not 1.5"),
        ({"text": "a", "id": " "}, "'id' is blank"),
    ],
)
def test_says_what_is_wrong_with_a_row(
    read_lines: ReadLines, row: dict[str, object], problem: str
) -> None:
    with pytest.raises(RowError, match=f"^test.jsonl:2: {problem}"):
        read_lines('{"text": "fine"}', json.dumps(row))


def test_names_the_flag_for_a_missing_text(read_lines: ReadLines) -> None:
    with pytest.raises(RowError) as caught:
        read_lines('{"sentence": "a"}')
    assert caught.value.hint == "Name it with --text-field."


def test_a_renamed_field_must_be_there(read_lines: ReadLines) -> None:
    with pytest.raises(RowError, match=r"row has no field 'gold' \(fields: text, label\)"):
        read_lines('{"text": "a", "label": 1}', fields=FieldNames(label="gold"))


def test_the_label_field_may_take_the_name_of_the_list(read_lines: ReadLines) -> None:
    (example,) = read_lines('{"text": "a", "labels": 1}', fields=FieldNames(label="labels"))
    assert example.labels == ("1",)


def test_names_both_lines_of_a_repeated_id(read_lines: ReadLines) -> None:
    with pytest.raises(RowError, match=r"test.jsonl:3: id 'x' is also that of test.jsonl:1"):
        read_lines('{"id": "x", "text": "a"}', '{"text": "b"}', '{"id": "x", "text": "c"}')
