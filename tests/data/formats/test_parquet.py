from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from attn_audit.data.example import Example
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.errors import RowError, UnreadableDataError

Write = Callable[[str, str | bytes], Path]


def saved(folder: Path, columns: dict[str, list[object]]) -> Path:
    path = folder / "test.parquet"
    parquet.write_table(pa.table(columns), path, row_group_size=2)
    return path


def read(path: Path) -> list[Example]:
    return list(read_examples(DataSource(str(path))))


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
