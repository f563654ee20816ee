"""What a number in a data set means: the whole file says it, in every format the same."""

import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value
from pyarrow import parquet

from attn_audit.data.example import Example
from attn_audit.data.labels import label_name
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource, FieldNames
from attn_audit.errors import IncompatibleDataError, RowError, UnreadableDataError
from attn_audit.models.task import Binary, Multiclass, Multilabel, Task, match_labels


@pytest.mark.parametrize(("value", "name"), [("a b", "a b"), (0, "0"), (-1, "-1"), (2.0, "2")])
def test_names_labels(value: object, name: str) -> None:
    assert label_name(value) == name


EMOTIONS = Multilabel(("anger", "joy", "sadness"))
TWO = Multilabel(("anger", "joy"))
MANY = Multilabel(tuple(f"emotion {'abcdefgh'[i]}" for i in range(8)))
SENTIMENT = Binary(("negative", "positive"))
NLI = Multiclass(("contradiction", "entailment", "neutral"))
UNNAMED = Binary(("LABEL_0", "LABEL_1"))

Save = Callable[[Path, list[Any]], Path]


def jsonl(folder: Path, lists: list[Any], field: str = "labels") -> Path:
    path = folder / "test.jsonl"
    rows = [{"text": f"film {i}", field: values} for i, values in enumerate(lists)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def packed(folder: Path, lists: list[Any]) -> Path:
    path = folder / "test.jsonl.gz"
    path.write_bytes(gzip.compress(jsonl(folder, lists).read_bytes()))
    return path


def table(folder: Path, lists: list[Any]) -> Path:
    path = folder / "test.csv"
    cells = ["" if values is None else "|".join(map(str, values)) for values in lists]
    path.write_text("text,labels\n" + "".join(f"film {i},{c}\n" for i, c in enumerate(cells)))
    return path


def arrow(folder: Path, lists: list[Any], kind: pa.DataType | None = None) -> Path:
    path = folder / "test.parquet"
    texts = [f"film {i}" for i in range(len(lists))]
    labels = pa.array(lists, kind or pa.list_(pa.float32()))
    parquet.write_table(pa.table({"text": texts, "labels": labels}), path)
    return path


def saved(folder: Path, lists: list[Any]) -> Path:
    datasets.disable_progress_bars()
    features = Features({"text": Value("string"), "labels": Sequence(Value("float32"))})
    texts = [f"film {i}" for i in range(len(lists))]
    Dataset.from_dict({"text": texts, "labels": lists}, features).save_to_disk(folder / "test")
    return folder / "test"


FORMATS = [jsonl, packed, table, arrow, saved]


def read(path: Path, task: Task, **options: Any) -> list[tuple[str, ...] | None]:
    examples = list(read_examples(DataSource(str(path), **options)))
    return [example.labels for example in match_labels(task, examples)]


# --- multi-hot lists ------------------------------------------------------------------------------


@pytest.mark.parametrize("save", FORMATS)
def test_lists_of_zeros_and_ones_say_which_labels_are_on(tmp_path: Path, save: Save) -> None:
    path = save(tmp_path, [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], None, [0.0, 0.0, 1.0]])
    assert read(path, EMOTIONS) == [("anger", "joy"), (), None, ("sadness",)]


@pytest.mark.parametrize("save", FORMATS)
def test_one_list_of_numbers_makes_numbers_of_all(tmp_path: Path, save: Save) -> None:
    path = save(tmp_path, [[0, 1], [1, 0], [2, 0]])
    assert read(path, EMOTIONS) == [("anger", "joy"), ("joy", "anger"), ("sadness", "anger")]


def test_two_labels_of_two_are_multi_hot_and_of_more_are_numbers(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [[1, 0], [0, 1]])
    assert read(path, TWO) == [("anger",), ("joy",)]
    assert read(path, SENTIMENT) == [("negative",), ("positive",)]
    assert read(path, MANY) == [("emotion b", "emotion a"), ("emotion a", "emotion b")]


def test_one_item_is_a_number_unless_the_model_has_one_label(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [[1.0], [0.0]])
    assert read(path, SENTIMENT) == [("positive",), ("negative",)]
    assert read(path, Multilabel(("toxic",))) == [("toxic",), ()]


@pytest.mark.parametrize("lists", [[[True, False, True]], [["1", "0", "1"]], [[1, False, 1.0]]])
def test_booleans_and_digits_are_zeros_and_ones(tmp_path: Path, lists: list[Any]) -> None:
    assert read(jsonl(tmp_path, lists), EMOTIONS) == [("anger", "sadness")]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.int8()),
        pa.large_list(pa.uint8()),
        pa.list_(pa.bool_()),
        pa.list_(pa.float16()),
        pa.list_(pa.float64(), 3),
    ],
)
def test_arrow_lists_of_any_number(tmp_path: Path, kind: pa.DataType) -> None:
    values = [True, False, True] if "bool" in str(kind) else [1, 0, 1]
    assert read(arrow(tmp_path, [values, values], kind), EMOTIONS) == [("anger", "sadness")] * 2


def test_places_are_the_models_whatever_its_names_hold(tmp_path: Path) -> None:
    stars = Multilabel(("1 star", "0 stars", "2 stars"))
    assert read(jsonl(tmp_path, [[0, 1, 1]]), stars) == [("0 stars", "2 stars")]


def test_places_are_renamed_as_label_numbers_are(tmp_path: Path) -> None:
    names = {"0": "joy", "1": "anger"}
    assert read(jsonl(tmp_path, [[1, 0, 1]]), EMOTIONS, label_map=names) == [("joy", "sadness")]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (
            [[2], [1.0, 1.0, 0.0]],
            r"test.jsonl:2: 'labels' holds 1 more than once, .* \[2\] in test.jsonl:1",
        ),
        (
            [[1, 1, 0], [0, 1]],
            r"test.jsonl:1: 'labels' holds 1 more than once, .* \[0, 1\] in test.jsonl:2",
        ),
        ([[0, 0, 1], []], r"test.jsonl:1: 'labels' holds 0 more than once"),
        ([[0, 1, -1]], r"test.jsonl:1: 'labels' holds -1, which is no label, beside labels"),
        ([[0, 2], [{}]], r"test.jsonl:2: 'labels' must be a string or an integer, not {}"),
        ([[1, 0.5, 0]], r"test.jsonl:1: 'labels' must be a string or an integer, not 0.5"),
    ],
)
def test_what_is_neither_is_refused_where_it_stands(
    tmp_path: Path, lists: list[Any], message: str
) -> None:
    with pytest.raises(RowError, match=message):
        read(jsonl(tmp_path, lists), EMOTIONS)


def test_multi_hot_lists_are_for_a_model_of_as_many_labels(tmp_path: Path) -> None:
    with pytest.raises(IncompatibleDataError, match=r"a list of 3 zeros and ones.*there are 8"):
        read(jsonl(tmp_path, [[1, 1, 0]]), MANY)


def test_a_model_of_one_label_takes_one_hot_lists_alone(tmp_path: Path) -> None:
    assert read(jsonl(tmp_path, [[0, 1, 0]]), NLI) == [("entailment",)]
    with pytest.raises(IncompatibleDataError, match="2 labels, and the model gives exactly one"):
        read(jsonl(tmp_path, [[0, 1, 1]]), NLI)


def test_repeated_names_are_one_label_as_ever(tmp_path: Path) -> None:
    assert read(jsonl(tmp_path, [["joy", "joy"]]), EMOTIONS) == [("joy",)]


def piped(monkeypatch: pytest.MonkeyPatch, path: Path) -> Path:
    stream = io.TextIOWrapper(io.BytesIO(path.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stream)
    return Path("-")


def test_standard_input_is_looked_at_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [[0, 1]] * 50 + [[2]] + [[1]] * 50
    path = piped(monkeypatch, jsonl(tmp_path, [None, *numbers]))
    examples = list(read_examples(DataSource(str(path))))
    assert [example.where for example in examples] == [f"<stdin>:{i}" for i in range(1, 103)]
    expected = [None, *[("anger", "joy")] * 50, ("sadness",), *[("joy",)] * 50]
    assert [example.labels for example in match_labels(EMOTIONS, examples)] == expected
    path = piped(monkeypatch, jsonl(tmp_path, [[0, 1, 1]] * 50))
    assert read(path, EMOTIONS) == [("joy", "sadness")] * 50


def test_a_file_is_read_twice_only_where_a_list_can_mean_two_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    real = Path.open

    def counted(self: Path, *words: Any, **more: Any) -> Any:
        opened.append(self)
        return real(self, *words, **more)

    path = jsonl(tmp_path, [["joy"], ["anger", "joy"]])
    monkeypatch.setattr(Path, "open", counted)
    read(path, EMOTIONS)
    assert len(opened) == 1


def test_multi_hot_lists_of_the_case_file(shared: Path) -> None:
    cases = shared / "cases" / "data"
    found = read(cases / "multihot.jsonl", EMOTIONS)
    assert found == read(cases / "multihot_as_names.jsonl", EMOTIONS)
    assert found[:4] == [
        ("anger", "joy"), ("anger", "joy", "sadness"), ("anger", "joy", "sadness"), ("sadness",),
    ]  # fmt: skip


# --- names of classes -----------------------------------------------------------------------------


def in_parquet(folder: Path, columns: dict[str, Any], features: Features) -> Path:
    """As `datasets` itself writes it."""
    datasets.disable_progress_bars()
    path = folder / "named.parquet"
    Dataset.from_dict(columns, features).to_parquet(path)
    return path


def on_disk(folder: Path, columns: dict[str, Any], features: Features) -> Path:
    datasets.disable_progress_bars()
    Dataset.from_dict(columns, features).save_to_disk(folder / "named")
    return folder / "named"


Written = Callable[[Path, dict[str, Any], Features], Path]
WRITERS = pytest.mark.parametrize("write", [in_parquet, on_disk])
NAMES = ["entailment", "neutral", "contradiction"]
ONE = Features({"text": Value("string"), "label": ClassLabel(names=NAMES)})


def texts(n: int) -> list[str]:
    return [f"film {i}" for i in range(n)]


@WRITERS
def test_class_numbers_stand_for_the_names_in_the_file(tmp_path: Path, write: Written) -> None:
    path = write(tmp_path, {"text": texts(5), "label": [0, 1, 2, -1, None]}, ONE)
    assert read(path, NLI) == [("entailment",), ("neutral",), ("contradiction",), None, None]


@WRITERS
def test_lists_of_class_numbers_as_well(tmp_path: Path, write: Written) -> None:
    features = Features({"text": Value("string"), "labels": Sequence(ClassLabel(names=NAMES))})
    path = write(tmp_path, {"text": texts(4), "labels": [[2, 0], [], [1], [-1]]}, features)
    assert read(path, NLI_SEVERAL) == [("contradiction", "entailment"), (), ("neutral",), None]


NLI_SEVERAL = Multilabel(NLI.labels)


@WRITERS
def test_multi_hot_lists_of_named_classes(tmp_path: Path, write: Written) -> None:
    features = Features({"text": Value("string"), "labels": Sequence(ClassLabel(names=NAMES))})
    path = write(tmp_path, {"text": texts(2), "labels": [[1, 0, 1], [0, 0, 0]]}, features)
    assert read(path, NLI_SEVERAL) == [("entailment", "contradiction"), ()]


@WRITERS
def test_candidates_and_second_texts_have_names_too(tmp_path: Path, write: Written) -> None:
    aspects = ClassLabel(names=["plot", "cast"])
    features = Features(
        {
            "text": Value("string"),
            "text_pair": aspects,
            "label": ClassLabel(names=NAMES),
            "candidates": Sequence(ClassLabel(names=NAMES)),
        }
    )
    columns = {"text": ["a"], "text_pair": [1], "label": [2], "candidates": [[2, 0]]}
    (example,) = read_examples(DataSource(str(write(tmp_path, columns, features))))
    assert example.text_pair == "cast"
    assert (example.labels, example.candidates) == (
        ("contradiction",),
        ("contradiction", "entailment"),
    )


def test_a_number_without_a_class_is_refused_with_its_row(tmp_path: Path) -> None:
    info = {"info": {"features": {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}}}
    data = pa.table({"text": texts(2), "label": pa.array([1, 2], pa.int8())})
    path = tmp_path / "test.parquet"
    parquet.write_table(
        data.replace_schema_metadata({b"huggingface": json.dumps(info).encode()}), path
    )
    with pytest.raises(
        RowError, match=r"test.parquet row 2: 'label' is class number 2, and .*a, b"
    ):
        read(path, UNNAMED)


def test_metadata_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    data = pa.table({"text": ["a"], "label": [0]}).replace_schema_metadata({"huggingface": "{"})
    parquet.write_table(data, path)
    with pytest.raises(UnreadableDataError, match="does not say what its class numbers stand for"):
        read(path, UNNAMED)


@WRITERS
def test_names_of_classes_and_labels_without_names_meet_by_number(
    tmp_path: Path, write: Written
) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["2", "1"])})
    path = write(tmp_path, {"text": texts(2), "label": [0, 1]}, features)
    assert read(path, UNNAMED) == [("LABEL_0",), ("LABEL_1",)]
    with pytest.raises(IncompatibleDataError, match="no label '2'"):
        read(path, SENTIMENT)
    with pytest.raises(IncompatibleDataError, match="no label '2'"):
        read(path, Multiclass(("LABEL_0", "LABEL_1", "LABEL_2")))


@WRITERS
def test_classes_that_have_no_names_are_numbers(tmp_path: Path, write: Written) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(num_classes=2)})
    path = write(tmp_path, {"text": texts(2), "label": [0, 1]}, features)
    assert read(path, SENTIMENT) == [("negative",), ("positive",)]


def test_a_renamed_class_does_not_drag_the_others_along(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    path = in_parquet(tmp_path, {"text": texts(2), "label": [0, 1]}, features)
    with pytest.raises(IncompatibleDataError, match="no label 'good'"):
        read(path, UNNAMED, label_map={"bad": "LABEL_1"})


def test_class_names_of_the_case_file(shared: Path) -> None:
    found = read(shared / "cases" / "data" / "nli.parquet", NLI)
    assert found[:3] == [("entailment",), ("neutral",), ("contradiction",)]


def test_strings_of_a_dictionary_are_names(tmp_path: Path) -> None:
    labels = pa.array(["positive", "negative"]).dictionary_encode()
    parquet.write_table(pa.table({"text": texts(2), "label": labels}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", SENTIMENT) == [("positive",), ("negative",)]


def test_a_column_of_nothing_is_unlabelled(tmp_path: Path) -> None:
    data = pa.table({"text": texts(2), "label": pa.nulls(2)})
    parquet.write_table(data, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", SENTIMENT) == [None, None]


# --- no label, and labels elsewhere ---------------------------------------------------------------


@pytest.mark.parametrize("value", [-1, -1.0, "-1"])
def test_minus_one_is_no_label(tmp_path: Path, value: object) -> None:
    path = jsonl(tmp_path, [value, 0, 1], "label")
    assert read(path, SENTIMENT) == [None, ("negative",), ("positive",)]
    assert read(jsonl(tmp_path, [value], "label"), SENTIMENT) == [None]


@pytest.mark.parametrize("save", FORMATS)
def test_minus_ones_in_lists_are_no_label(tmp_path: Path, save: Save) -> None:
    path = save(tmp_path, [[-1, -1, -1], [1, 0, 1], [-1]])
    assert read(path, EMOTIONS) == [None, ("anger", "sadness"), None]


def test_minus_one_is_a_label_where_it_is_called_one(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [-1, 1], "label")
    assert read(path, Binary(("-1", "1"))) == [("-1",), ("1",)]
    names = {"-1": "negative", "1": "positive"}
    assert read(path, SENTIMENT, label_map=names) == [("negative",), ("positive",)]


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        ([1, -1], SENTIMENT),
        ([-1, 1], SENTIMENT),
        ([0, -1, 1], NLI),
        ([1, -1], NLI),
        ([1, -1, 0, 1], MANY),
    ],
)
def test_minus_one_on_a_scale_is_refused_as_it_may_be_a_class(
    tmp_path: Path, labels: list[int], task: Task
) -> None:
    with pytest.raises(IncompatibleDataError, match="which may be a scale") as caught:
        read(jsonl(tmp_path, labels, "label"), task)
    assert "--label-map -1=NAME" in (caught.value.hint or "")


def test_minus_one_beside_all_classes_is_no_scale(tmp_path: Path) -> None:
    found = read(jsonl(tmp_path, [0, 1, -1, 2], "label"), NLI)
    assert found == [("contradiction",), ("entailment",), None, ("neutral",)]


def test_minus_ones_of_the_case_file(shared: Path) -> None:
    assert set(read(shared / "cases" / "data" / "minus_one.jsonl", SENTIMENT)) == {None}


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet", "saved"])
def test_a_column_for_each_label_is_refused(tmp_path: Path, format: str) -> None:
    columns: dict[str, Any] = {
        "text": ["a", "b"],
        "Anger": [0, 1],
        "joy": [1, 1],
        "sadness": [0, 0],
    }
    path = tmp_path / f"test.{format}"
    if format == "jsonl":
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif format == "csv":
        path.write_text("text,Anger,joy,sadness\na,0,1,0\nb,1,1,0\n")
    elif format == "parquet":
        parquet.write_table(pa.table(columns), path)
    else:
        datasets.disable_progress_bars()
        Dataset.from_dict(columns).save_to_disk(path)
    with pytest.raises(IncompatibleDataError, match="labels of the model are: Anger, joy, sadness"):
        read(path, EMOTIONS)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("length,positive", "positive"),
        ("is_negative,is_positive", "is_negative, is_positive"),
        ("isPositive,length", "isPositive"),
        ("POSITIVE,url", "POSITIVE"),
        ("nega-tive,length", "nega-tive"),
    ],
)
def test_a_column_called_as_a_label_is_refused(tmp_path: Path, header: str, found: str) -> None:
    (tmp_path / "a.csv").write_text(f"text,{header}\na,7,yes\n")
    with pytest.raises(IncompatibleDataError, match=f"of the model are: {found}$") as caught:
        read(tmp_path / "a.csv", SENTIMENT)
    hint = caught.value.hint or ""
    assert "with --label-field, or a list of them with --labels-field" in hint
    assert "no labels, leave these fields out" in hint
    (tmp_path / "b.csv").write_text(f"text,{header},label\na,7,yes,1\n")
    assert read(tmp_path / "b.csv", SENTIMENT) == [("positive",)]


def test_a_column_is_called_as_a_label_however_spaces_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b", "very_Good": true, "issue": 1}\n')
    with pytest.raises(IncompatibleDataError, match=r"of the model are: very_Good$"):
        read(path, Binary(("sue", "very good")))


@pytest.mark.parametrize("values", [(0, 1), (True, False), ("true", "FALSE"), (None, 1.0)])
def test_two_columns_of_zeros_and_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: tuple[Any, Any]
) -> None:
    rows = [
        {"text": str(i), "negative": value, "positive": 1, "idx": 1}
        for i, value in enumerate(values)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for source in (path, piped(monkeypatch, path)):
        with pytest.raises(IncompatibleDataError, match=r"0 and 1, .*: negative, positive$"):
            read(source, UNNAMED)


@pytest.mark.parametrize("kind", [pa.int8(), pa.bool_()])
def test_columns_of_zeros_and_ones_in_arrow_are_refused(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({"text": ["a", "b"], "bad": pa.array([0, 1]).cast(kind)})
    table = table.append_column("good", pa.array([1, 0]).cast(kind))
    parquet.write_table(table, tmp_path / "a.parquet")
    datasets.disable_progress_bars()
    Dataset(table).save_to_disk(tmp_path / "saved")
    for path in (tmp_path / "a.parquet", tmp_path / "saved"):
        with pytest.raises(IncompatibleDataError, match=r"true and false: bad, good$"):
            read(path, UNNAMED)


def test_unlabelled_rows_of_a_pipe_are_all_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"text": "film {i}", "year": {i}}}\n' for i in range(100)))
    assert read(piped(monkeypatch, path), SENTIMENT) == [None] * 100


def test_a_label_may_stand_in_later_rows_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "positive": 0.4}\n{"text": "b", "label": 1}\n')
    assert read(path, SENTIMENT) == [None, ("positive",)]


def test_other_columns_leave_a_text_unlabelled(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,idx,source,length,is_long\na,0,web,1,1\nb,1,tv,9,0\n")
    assert read(tmp_path / "a.csv", EMOTIONS) == [None, None]
    (tmp_path / "b.csv").write_text("text,label,anger,joy\na,,1,0\n")
    assert read(tmp_path / "b.csv", EMOTIONS) == [None]


@pytest.mark.parametrize("format", ["jsonl", "parquet", "saved"])
def test_a_label_that_is_true_or_false_needs_names(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"test.{format}"
    if format == "jsonl":
        path = jsonl(tmp_path, [True], "label")
    elif format == "parquet":
        parquet.write_table(pa.table({"text": ["a"], "label": [True]}), path)
    else:
        datasets.disable_progress_bars()
        Dataset.from_dict({"text": ["a"], "label": [True]}).save_to_disk(path)
    with pytest.raises(IncompatibleDataError, match="no label 'True'") as caught:
        read(path, SENTIMENT)
    assert str(caught.value.hint).endswith("--label-map True=...,False=...")
    assert read(path, SENTIMENT, label_map={"True": "positive"}) == [("positive",)]


def test_a_table_says_true_and_false_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,True\nb,False\n")
    with pytest.raises(IncompatibleDataError, match="no label 'True'") as caught:
        read(tmp_path / "a.csv", SENTIMENT)
    assert "--label-map True=...,False=..." in (caught.value.hint or "")
    names = {"True": "positive", "False": "negative"}
    assert read(tmp_path / "a.csv", SENTIMENT, label_map=names) == [("positive",), ("negative",)]


def test_examples_in_memory_mean_what_they_say() -> None:
    (found,) = match_labels(EMOTIONS, [Example("a", "text", labels=("1", "0"))])
    assert found.labels == ("joy", "anger")


def test_a_list_in_the_field_of_one_label(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [[1, 1, 0]], "label")
    with pytest.raises(RowError, match="'label' must be a string or an integer") as caught:
        read(path, EMOTIONS)
    assert "--labels-field" in (caught.value.hint or "")
    assert read(path, EMOTIONS, fields=FieldNames(labels="label")) == [("anger", "joy")]
