import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
from pyarrow import parquet

from attn_audit.data.example import Example
from attn_audit.data.location import SUFFIXES
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource, FieldNames
from attn_audit.errors import DataNotFoundError, RowError, UnreadableDataError

COUNTS = {
    "sst": (872, 1821),
    "sst_paper": (872, 1821),
    "agnews": (1000, 1000),
    "babi1": (1483, 1000),
    "snli": (4917, 4925),
    "hatexplain": (1922, 1924),
    "goemotions": (5426, 5427),
}
"""Examples in dev and test."""

EXAMPLES = [
    Example("1", 'He said: "fine,\nbut | long".', "Was it\tgood?", ("yes",), ("yes", "no")),
    Example("b", "naïve 映画 😀", "¿Qué?", None, ("maybe", "no")),
    Example("c d", " spaces around ", "x", ("no",), None),
]
MULTILABEL = [Example("1", "a", None, ("joy", "fear")), Example("2", "b", None, None)]


def rows(examples: list[Example]) -> list[dict[str, object]]:
    """As columns of one kind: pairs if there are any, `labels` if any example has several."""
    several = any(len(example.labels or ()) > 1 for example in examples)
    return [_row(example, several) for example in examples]


def _row(example: Example, several: bool) -> dict[str, object]:
    labels = list(example.labels) if example.labels is not None else None
    gold = {"labels": labels} if several else {"label": labels[0] if labels else None}
    pair = {"text_pair": example.text_pair} if example.text_pair else {}
    candidates = list(example.candidates) if example.candidates else None
    return {"id": example.id, "text": example.text, **pair, **gold, "candidates": candidates}


def as_jsonl(data: list[dict[str, object]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in data).encode()


def as_table(data: list[dict[str, object]], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(data[0])
    for row in data:
        writer.writerow("|".join(v) if isinstance(v, list) else v for v in row.values())
    return text.getvalue().encode()


def as_parquet(data: list[dict[str, object]]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(data), file)
    return file.getvalue()


def content(suffix: str, data: list[dict[str, object]]) -> bytes:
    plain: dict[str, Callable[[], bytes]] = {
        ".jsonl": lambda: as_jsonl(data),
        ".ndjson": lambda: as_jsonl(data),
        ".json": lambda: json.dumps(data, indent=2).encode(),
        ".csv": lambda: as_table(data, ","),
        ".tsv": lambda: as_table(data, "\t"),
        ".parquet": lambda: as_parquet(data),
    }
    written = plain[suffix.removesuffix(".gz")]()
    return gzip.compress(written) if suffix.endswith(".gz") else written


def read(location: Path | str) -> list[Example]:
    """Without the places, which differ from format to format."""
    return [replace(example, where="") for example in read_examples(DataSource(str(location)))]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("examples", [EXAMPLES, MULTILABEL], ids=["pairs", "multilabel"])
def test_the_same_examples_come_out_of_every_format(
    tmp_path: Path, suffix: str, examples: list[Example]
) -> None:
    (tmp_path / f"test{suffix}").write_bytes(content(suffix, rows(examples)))
    assert read(tmp_path / f"test{suffix}") == examples
    assert read(tmp_path) == examples


def test_the_same_examples_come_out_of_a_saved_data_set(tmp_path: Path) -> None:
    datasets.disable_progress_bars()
    datasets.Dataset.from_list(rows(EXAMPLES)).save_to_disk(tmp_path / "pairs")
    assert read(tmp_path / "pairs") == EXAMPLES


def test_the_same_examples_come_in_at_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(as_jsonl(rows(EXAMPLES))))
    monkeypatch.setattr(sys, "stdin", stream)
    examples = list(read_examples(DataSource("-")))
    assert [replace(example, where="") for example in examples] == EXAMPLES
    assert examples[2].where == "<stdin>:3"


def test_reads_no_further_than_asked(tmp_path: Path) -> None:
    rows = '{"text": "a", "label": 0}\n{"text": "b"}\nbroken\n'
    (tmp_path / "test.jsonl").write_text(rows)
    examples = read_examples(DataSource(str(tmp_path / "test.jsonl")))
    assert [next(examples).text, next(examples).text] == ["a", "b"]


def test_a_missing_file_is_found_out_before_reading() -> None:
    with pytest.raises(DataNotFoundError):
        read_examples(DataSource("nowhere.jsonl"))


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(UnreadableDataError, match="it holds no examples"):
        read(tmp_path)


@pytest.mark.parametrize(("split", "column"), [("dev", 0), ("test", 1)])
@pytest.mark.parametrize("name", COUNTS)
def test_reads_the_real_data_sets(shared: Path, name: str, split: str, column: int) -> None:
    examples = list(read_examples(DataSource(str(shared / "data" / name), split)))
    assert len(examples) == COUNTS[name][column]
    assert all(example.labels is not None for example in examples)
    assert all(
        (example.text_pair is not None) == (name in {"babi1", "snli"}) for example in examples
    )


def test_reading_loads_no_heavy_package() -> None:
    heavy = "{'torch', 'numpy', 'pyarrow', 'datasets'}"
    code = f"import sys, attn_audit.data.reading; print({heavy} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"


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
