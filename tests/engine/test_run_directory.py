"""Who may write to a run directory, and whether its shards are what was written."""

import errno
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from attn_audit.engine.in_process import RecordTables
from attn_audit.engine.run_directory import Shards, locked
from attn_audit.errors import OutputError, RunDirectoryError
from attn_audit.files import AnyPath
from attn_audit.results.table import schemas
from tests.records import table

A, B = (
    {
        "id": "a",
        "label": None,
        "prediction": "1",
        "probability": (0.25, 0.75),
        "n_units": 2,
        "truncated": False,
        "audited_mass": 0.1 + 0.2,
        "correlation.attention_gradient": -1 / 3,
        "units": ("a\x1b[31m", "פילם"),
        "attention": (1e-300, 1.0),
        "gradient": (),
    },
    {
        "id": "b",
        "label": "0",
        "prediction": "0",
        "probability": (0.5, 0.5),
        "n_units": 0,
        "truncated": True,
        "audited_mass": 0.0,
    },
)
OF_EXAMPLES, OF_SITES = schemas(2, is_multilabel=False)
RECORDS = table([A, B], OF_EXAMPLES)
SITES = table(
    [
        {"id": name, "layer": 0, "head": head, "audited_mass": 0.5}
        for name in "ab"
        for head in (0, None)
    ],
    OF_SITES,
)
FOUND = RecordTables(RECORDS, SITES)


def _shards(folder: AnyPath, *, several: bool = True) -> Shards:
    (folder / "manifest.json").touch()
    return Shards(folder, n_logits=2, is_multilabel=False, has_several_sites=several)


@pytest.mark.parametrize("kind", ["disk", "bucket"])
def test_reads_what_was_written(tmp_path: Path, kind: str) -> None:
    folder: AnyPath = tmp_path if kind == "disk" else UPath(f"memory://{tmp_path}")
    shards = _shards(folder)
    assert shards.finished() == []
    shards.write(10, FOUND)
    shards.write(2, RecordTables(RECORDS[:1], SITES[:2]))
    assert shards.finished() == [2, 10]
    assert shards.read(10) == FOUND
    assert shards.read(2) == (RECORDS[:1], SITES[:2])


def test_multilabel_records_come_back(tmp_path: Path) -> None:
    record = {
        "id": "a",
        "label": (),
        "prediction": ("joy", "love"),
        "probability": (0.9, 0.8, 0.1),
        "n_units": 1,
        "truncated": False,
        "audited_mass": 1.0,
    }
    found = RecordTables(table([record], schemas(3, is_multilabel=True)[0]))
    (tmp_path / "manifest.json").touch()
    shards = Shards(tmp_path, n_logits=3, is_multilabel=True, has_several_sites=False)
    shards.write(0, found)
    assert shards.read(0) == found


def test_weights_of_many_heads_come_back(tmp_path: Path) -> None:
    rows = [[0.25, 0.75], [1.0, 0.0]]
    found = RecordTables(
        table([{**A, "adversarial.rows": given} for given in (rows, None)], OF_EXAMPLES)
    )
    shards = _shards(tmp_path, several=False)
    shards.write(0, found)
    assert shards.read(0).records["adversarial.rows"].to_pylist() == [rows, None]


def test_shards_of_other_columns_are_refused_by_name(tmp_path: Path) -> None:
    shards = _shards(tmp_path, several=False)
    shards.write(0, RecordTables(RECORDS.drop_columns(["audited_mass"])))
    with pytest.raises(RunDirectoryError, match=r"records/000000-\w+.parquet is of another layout"):
        shards.read(0)


def test_a_half_written_shard_is_none(tmp_path: Path) -> None:
    shards = _shards(tmp_path)
    shards.write(0, FOUND)
    (file,) = (tmp_path / "records").iterdir()
    file.rename(file.with_name(f".{file.name}.17.part"))
    assert shards.finished() == []


@pytest.mark.parametrize("place", [0.3, 0.5, 0.9])
def test_a_bit_that_flipped_is_found(tmp_path: Path, place: float) -> None:
    shards = _shards(tmp_path, several=False)
    shards.write(0, RecordTables(pa.concat_tables([RECORDS] * 50)))
    (file,) = (tmp_path / "records").iterdir()
    content = bytearray(file.read_bytes())
    content[int(len(content) * place)] ^= 0x10
    file.write_bytes(content)
    with pytest.raises(RunDirectoryError, match=r"records/000000-\w+.parquet is damaged") as caught:
        shards.read(0)
    assert caught.value.hint is not None
    assert "--resume" in caught.value.hint


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_leaves_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    shards = _shards(tmp_path)
    shards.write(0, FOUND)

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=os.strerror(number)) as refused:
        shards.write(1, FOUND)
    assert str(tmp_path / "sites" / "000001-") in refused.value.message
    assert shards.finished() == [0]
    assert list(tmp_path.rglob("*.part")) == []


def test_nothing_is_written_where_the_directory_was_removed(tmp_path: Path) -> None:
    shards = _shards(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(RunDirectoryError, match="it was removed while the audit ran"):
        shards.write(0, FOUND)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_audit_whose_shards_are_missing_is_not_complete(tmp_path: Path) -> None:
    shards = _shards(tmp_path)
    assert not shards.are_complete()
    for number in (0, 1):
        shards.write(number, FOUND)
    with pytest.raises(RunDirectoryError, match=r"records/000002-\*.parquet is missing"):
        shards.complete(3)
    assert not shards.are_complete()
    shards.complete(2)
    assert shards.are_complete()
    (file,) = (tmp_path / "records").glob("000001-*")
    file.unlink()
    with pytest.raises(RunDirectoryError, match=r"records/000001-\*.parquet is missing"):
        shards.are_complete()
    (tmp_path / "complete").write_text("?")
    with pytest.raises(RunDirectoryError, match="complete is damaged"):
        shards.are_complete()


def test_arrow_gets_nothing_of_pythons_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its threads may let go of it while Python ends, which aborts the process."""
    shards, given = _shards(tmp_path, several=False), list[object]()
    shards.write(0, RecordTables(RECORDS))
    read_table = pq.read_table

    def watched(source: object) -> pa.Table:
        given.append(source)
        return read_table(source)

    monkeypatch.setattr(pq, "read_table", watched)
    assert shards.read(0) == RecordTables(RECORDS)
    assert [type(source) for source in given] == [pa.BufferReader]


def _hold(folder: Path, held: Path) -> None:
    with locked(folder):
        held.touch()
        time.sleep(60)


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    held = tmp_path / "held"
    process = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path, held))
    process.start()
    while not held.exists():
        time.sleep(0.01)
    with (
        pytest.raises(RunDirectoryError, match="another process is working in it"),
        locked(tmp_path),
    ):
        pass
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with locked(tmp_path):
        pass
