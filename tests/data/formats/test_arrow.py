"""Parquet files and HuggingFace data sets: the same rows as of a file of lines."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import huggingface_hub
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value
from huggingface_hub.errors import HfHubHTTPError
from pyarrow import parquet

from attn_audit.data.example import Example
from attn_audit.data.reading import find_data, read_examples
from attn_audit.data.source import DataSource
from attn_audit.errors import RowError, SplitNotFoundError, UnreadableDataError

Write = Callable[[str, str | bytes], Path]


def saved(folder: Path, columns: dict[str, list[object]]) -> Path:
    path = folder / "test.parquet"
    parquet.write_table(pa.table(columns), path, row_group_size=2)
    return path


def read(location: Path | str, split: str = "test") -> list[Example]:
    return list(read_examples(DataSource(str(location), split)))


def test_reads_across_row_groups_and_counts_rows(tmp_path: Path) -> None:
    path = saved(tmp_path, {"text": ["a", "b", "c"], "label": [0, 1, None]})
    examples = read(path)
    assert [example.labels for example in examples] == [("0",), ("1",), None]
    assert examples[2].where == "test.parquet row 3"


def test_whole_floats_are_integers(tmp_path: Path) -> None:
    assert read(saved(tmp_path, {"text": ["a"], "label": [1.0]}))[0].labels == ("1",)


def test_leaves_other_columns_alone(tmp_path: Path) -> None:
    path = saved(tmp_path, {"image": [b"\xff"], "text": ["a"]})
    assert read(path)[0].text == "a"


def test_names_all_columns_when_the_text_is_not_among_them(tmp_path: Path) -> None:
    path = saved(tmp_path, {"sentence": ["a"], "image": [b""]})
    with pytest.raises(RowError, match=r"no field 'text' \(fields: sentence, image\)"):
        read(path)


def test_names_the_row_of_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path, {"text": ["a", " "]})
    with pytest.raises(RowError, match=r"test.parquet row 2: 'text' is blank"):
        read(path)


def test_refuses_a_table_without_rows(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDataError, match="it holds no examples"):
        read(saved(tmp_path, {"text": []}))


def test_refuses_damaged_texts(tmp_path: Path) -> None:
    path = saved(tmp_path, {"text": ["a film", "another"]})
    path.write_bytes(path.read_bytes().replace(b"film", b"f\xfflm"))
    with pytest.raises(UnreadableDataError, match=r"test.parquet: not a whole Parquet file"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"{}", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_refuses_what_is_not_parquet(write: Write, content: bytes) -> None:
    with pytest.raises(UnreadableDataError, match=r"test.parquet: not a whole Parquet file"):
        read(write("test.parquet", content))


def test_arrow_opens_a_local_file_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its threads may let go of a file of Python's while Python ends, which aborts the process."""
    given: list[object] = []
    parquet_file = parquet.ParquetFile

    def watched(source: object) -> parquet.ParquetFile:
        given.append(source)
        return parquet_file(source)

    path = saved(tmp_path, {"text": ["a b"]})
    monkeypatch.setattr(parquet, "ParquetFile", watched)
    assert [example.text for example in read(path)] == ["a b"]
    assert {type(source) for source in given} == {pa.OSFile}


NO_RESPONSE: Any = SimpleNamespace(headers={}, request=None)
SENTIMENT = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})


def sentiment(*labels: int | None) -> Dataset:
    texts = [f"film {index}" for index in range(len(labels))]
    return Dataset.from_dict({"text": texts, "label": list(labels)}, features=SENTIMENT)


@pytest.fixture(autouse=True)
def _quiet_saving() -> None:
    datasets.disable_progress_bars()


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | None], None]:
    """Let the hub answer the question for a data set, or fail to."""

    def set_answer(error: Exception | None) -> None:
        def dataset_info(*_: object, **__: object) -> None:
            if error is not None:
                raise error

        monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)

    return set_answer


@pytest.fixture(autouse=True)
def _there_is_a_hub(answer: Callable[[Exception | None], None]) -> None:
    answer(None)


def test_class_numbers_become_names(tmp_path: Path) -> None:
    sentiment(1, 0, -1, None).save_to_disk(tmp_path / "films")
    examples = read(tmp_path / "films")
    assert [example.labels for example in examples] == [("pos",), ("neg",), None, None]
    assert examples[1].where == "films row 2"


def test_lists_of_class_numbers_become_names(tmp_path: Path) -> None:
    names = Sequence(ClassLabel(names=["joy", "fear"]))
    features = Features({"text": Value("string"), "labels": names})
    dataset = Dataset.from_dict({"text": ["a", "b"], "labels": [[1, 0], []]}, features=features)
    dataset.save_to_disk(tmp_path / "emotions")
    assert [e.labels for e in read(tmp_path / "emotions")] == [("fear", "joy"), ()]


def test_chooses_a_split_of_a_saved_data_set(tmp_path: Path) -> None:
    splits = DatasetDict({"validation": sentiment(1), "test": sentiment(0, 0)})
    splits.save_to_disk(tmp_path / "films")
    assert len(read(tmp_path / "films")) == 2
    assert len(read(tmp_path / "films", "dev")) == 1
    with pytest.raises(SplitNotFoundError, match="found: test, validation"):
        read(tmp_path / "films", "train")


def test_names_the_columns_when_the_text_is_not_among_them(tmp_path: Path) -> None:
    sentiment(1).rename_column("text", "sentence").save_to_disk(tmp_path / "films")
    with pytest.raises(RowError, match=r"films: no field 'text' \(fields: sentence, label\)"):
        read(tmp_path / "films")


def test_refuses_a_damaged_saved_data_set(tmp_path: Path) -> None:
    sentiment(1).save_to_disk(tmp_path / "films")
    (tmp_path / "films" / "state.json").write_text("{")
    with pytest.raises(UnreadableDataError, match="a damaged saved data set"):
        read(tmp_path / "films")


def test_the_fingerprint_tells_data_sets_apart(tmp_path: Path) -> None:
    def saved(name: str, *labels: int) -> str | None:
        sentiment(*labels).save_to_disk(tmp_path / name)
        return find_data(DataSource(str(tmp_path / name))).fingerprint()

    assert saved("one", 1, 0) == saved("same", 1, 0)
    assert saved("one more", 1, 0) != saved("other", 1, 1)


def test_asks_the_hub_for_name_configuration_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None, str]] = []

    def load_dataset(name: str, config: str | None, *, split: str) -> Dataset:
        asked.append((name, config, split))
        return sentiment(1)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    (example,) = read("nyu-mll/glue:sst2", "dev")
    assert asked == [("nyu-mll/glue", "sst2", "validation")]
    assert example.where == "nyu-mll/glue:sst2[validation] row 1"


def test_says_in_one_line_that_the_hub_gave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*_: object, **__: object) -> Dataset:
        raise ConnectionError("Couldn't reach\n the Hub \x1b[31m" + "x" * 1000)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(
        UnreadableDataError, match="no HuggingFace data set with a split 'test'"
    ) as e:
        read("owner/films")
    assert e.value.message.isprintable()
    assert len(e.value.message) < 350


def test_leaves_progress_bars_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: sentiment(1))
    datasets.enable_progress_bars()
    read("films")
    assert not datasets.are_progress_bars_disabled()


@pytest.mark.parametrize(
    ("error", "is_offline"),
    [
        (None, False),
        (HfHubHTTPError("refused", response=NO_RESPONSE), False),
        (ConnectionError("no network"), True),
        (TimeoutError("no answer"), True),
    ],
)
def test_a_hub_that_does_not_answer_is_not_asked_again(
    answer: Callable[[Exception | None], None],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception | None,
    is_offline: bool,
) -> None:
    """The libraries would try for half a minute; what is in the cache is found without."""

    def load_dataset(*_: object, **__: object) -> Dataset:
        found = (huggingface_hub.constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE)
        assert found == (is_offline, is_offline)
        return sentiment(1)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    answer(error)
    assert len(read("films")) == 1
    assert not huggingface_hub.constants.HF_HUB_OFFLINE
    assert not datasets.config.HF_HUB_OFFLINE


def test_says_that_the_hub_does_not_answer(answer: Callable[[Exception | None], None]) -> None:
    answer(ConnectionError("no network"))
    with pytest.raises(UnreadableDataError, match="the hub does not answer"):
        read("owner/films-that-nobody-has")
