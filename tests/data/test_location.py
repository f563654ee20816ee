import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from upath import UPath

from attn_audit.data.location import SUFFIXES, resolve
from attn_audit.data.reading import find_data, read_examples
from attn_audit.data.source import DataSource, SourceKind
from attn_audit.errors import DataError, DataNotFoundError, SplitNotFoundError, UnreadableDataError

Write = Callable[[str, str | bytes], Path]


def test_finds_the_split_in_a_folder(write: Write) -> None:
    folder = write("sst/train.jsonl.gz", "").parent
    test = write("sst/test.jsonl", "")
    write("sst/README.md", "")
    found = resolve(DataSource(str(folder)))
    assert (found.kind, found.name, found.location) == (SourceKind.FILE, "test.jsonl", str(test))


@pytest.mark.parametrize("asked", ["dev", "validation"])
@pytest.mark.parametrize("there", ["dev", "validation"])
def test_dev_and_validation_are_one(write: Write, asked: str, there: str) -> None:
    path = write(f"sst/{there}.csv", "")
    assert resolve(DataSource(str(path.parent), asked)).location == str(path)


def test_names_the_splits_that_are_there(write: Write) -> None:
    folder = write("sst/train.jsonl.gz", "").parent
    write("sst/dev.jsonl", "")
    with pytest.raises(SplitNotFoundError, match=r"no split 'test' \(found: dev, train\)"):
        resolve(DataSource(str(folder)))


def test_refuses_to_choose_between_files_of_one_split(write: Write) -> None:
    folder = write("sst/dev.jsonl", "").parent
    write("sst/validation.csv", "")
    with pytest.raises(UnreadableDataError, match=r"dev.jsonl, validation.csv"):
        resolve(DataSource(str(folder), "dev"))


def test_a_split_is_a_name_and_no_path(write: Write) -> None:
    write("secret.jsonl", "")
    folder = write("sst/test.jsonl", "").parent
    with pytest.raises(SplitNotFoundError):
        resolve(DataSource(str(folder), "../secret"))


@pytest.mark.parametrize(
    "location",
    ["test.jsonl", "nowhere/test.csv", "a/b/c", "./sst", "/nowhere/sst", "data.json", "films.txt"],
)
def test_says_that_nothing_is_there(location: str) -> None:
    with pytest.raises(DataNotFoundError, match="no data at"):
        resolve(DataSource(location))


def test_a_missing_folder_beside_ours_is_no_name_on_a_hub(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write("data/sst/test.jsonl", "").parents[2])
    with pytest.raises(DataNotFoundError):
        resolve(DataSource("data/imdb"))


@pytest.mark.parametrize("location", ["imdb", "stanfordnlp/imdb", "nyu-mll/glue:sst2", "a.b/c_d-1"])
def test_what_looks_like_a_name_is_asked_of_the_hub(location: str) -> None:
    found = resolve(DataSource(location, "dev"))
    assert (found.kind, found.location, found.split) == (SourceKind.HUB, location, "validation")


def test_names_the_suffixes_it_knows(write: Write) -> None:
    with pytest.raises(UnreadableDataError, match=r"notes.txt") as caught:
        resolve(DataSource(str(write("notes.txt", ""))))
    assert caught.value.hint is not None
    assert all(suffix in caught.value.hint for suffix in SUFFIXES)


def test_refuses_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "test.jsonl")
    with pytest.raises(UnreadableDataError, match="not a regular file"):
        resolve(DataSource(str(tmp_path / "test.jsonl")))


def test_refuses_names_that_no_file_system_takes() -> None:
    with pytest.raises(UnreadableDataError, match="File name too long"):
        resolve(DataSource("x" * 5000))


def test_fingerprint_is_the_sha256_of_the_file(write: Write) -> None:
    found = find_data(DataSource(str(write("test.jsonl", "abc"))))
    assert found.fingerprint() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_standard_input_has_no_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert find_data(DataSource("-")).fingerprint() is None


@pytest.fixture
def remote() -> Iterator[UPath]:
    """A folder that only a URL leads to."""
    folder = UPath("memory://data-sets/sst")
    folder.mkdir(parents=True)
    yield folder
    folder.fs.rm("/data-sets", recursive=True)


def test_reads_the_same_at_a_url(remote: UPath) -> None:
    (remote / "test.jsonl").write_text('{"text": "a fine film"}\n')
    (remote / "dev.csv").write_text("text\na dull one\n")
    assert [e.text for e in read_examples(DataSource(str(remote)))] == ["a fine film"]
    assert [e.text for e in read_examples(DataSource(str(remote), "dev"))] == ["a dull one"]
    assert [e.text for e in read_examples(DataSource(f"{remote}/dev.csv"))] == ["a dull one"]
    assert find_data(DataSource(str(remote))).fingerprint() is not None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("memory://data-sets/nowhere", "no data at memory://data-sets/nowhere"),
        ("nonsense://bucket/sst", "cannot read nonsense://bucket/sst: .*nonsense"),
    ],
)
def test_says_what_is_wrong_with_a_url(url: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        resolve(DataSource(url))
