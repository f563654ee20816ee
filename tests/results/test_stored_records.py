"""Records that were written are read back as they were."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from attn_audit.errors import RecordsError
from attn_audit.files import sha256_of
from attn_audit.findings import adversarial
from attn_audit.findings.registry import record_fields, site_fields
from attn_audit.formats.records import RecordsWriter
from attn_audit.results.record import Record
from attn_audit.results.report import RecordsFile, Report
from attn_audit.results.stored_records import N_AT_ONCE, open_records, read_records, read_table
from attn_audit.results.table import record_schema
from tests.formats.conftest import report

__all__ = ["report"]

SCHEMA = record_schema(1, False, record_fields())
ROWS = np.array([[0.25, 0.75], [1.0, 0.0]], dtype=np.float32)


def record(i: int) -> Record:
    return Record(
        {
            "id": f"e{i}",
            "status": "audited",
            "prediction": "yes",
            "probability": 0.1 * (i % 7),
            "n_units": 2,
            "truncated": False,
            "audited_mass": 1.0,
            "adversarial.max_jsd": None if i % 2 else 0.3,
            "units": ("a", "b"),
            "attention": (0.25, 0.75),
            "adversarial.attention": (1.0, 0.0),
            "adversarial.rows": None if i % 2 else ROWS,
        }
    )


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_what_was_written_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"records{suffix}"
    written = [record(i) for i in range(N_AT_ONCE + 3)]
    with RecordsWriter(path, SCHEMA) as writer:
        writer.write(written)
    read = [one for some in read_records(path, SCHEMA) for one in some]
    assert read == written
    for one, other in zip(read, written, strict=True):
        assert type(one[adversarial.ROWS]) is type(other[adversarial.ROWS])


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_site_records_too(tmp_path: Path, suffix: str) -> None:
    path, schema = tmp_path / f"sites{suffix}", record_schema(1, False, site_fields())
    written = [
        Record({"id": "e", "layer": layer, "head": 2, "audited_mass": 0.5}) for layer in range(3)
    ]
    with RecordsWriter(path, schema) as writer:
        writer.write(written)
    assert [one for some in read_records(path, schema) for one in some] == written


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_several_labels_are_read_from_every_format(tmp_path: Path, suffix: str) -> None:
    path, schema = tmp_path / f"records{suffix}", record_schema(3, True, record_fields())
    several = {"label": ("NA",), "prediction": ("a b", "c"), "probability": (0.75, 0.125, 0.5)}
    none_is_on = {"label": None, "prediction": (), "probability": (0.25, 0.125, 0.0)}
    failed = Record({"id": "e2", "status": "failed", "n_units": 0, "truncated": False})
    with RecordsWriter(path, schema) as writer:
        writer.write(
            [*(Record({**record(0).values, **each}) for each in (several, none_is_on)), failed]
        )
    table = read_table(path, schema)
    for name in ("label", "prediction", "probability"):
        expected = [several[name], none_is_on[name], None]
        assert table[name].to_pylist() == [None if v is None else list(v) for v in expected]
    assert table["truncated"].to_pylist() == [False] * 3
    assert ("units" in table.column_names) == (suffix != ".csv")


def test_refuses_columns_of_another_model(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    with RecordsWriter(path, SCHEMA) as writer:
        writer.write([record(0)])
    with pytest.raises(RecordsError, match="'probability' holds double, not list"):
        list(read_records(path, record_schema(3, False, record_fields())))
    fewer = record_schema(1, False, site_fields())
    with pytest.raises(RecordsError, match="it has no column 'layer'"):
        list(read_records(path, fewer))


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_an_old_column_is_refused_with_its_new_name(tmp_path: Path, suffix: str) -> None:
    path, old = tmp_path / f"records{suffix}", {"adversarial.max_jsd": "max_jsd"}
    names = [old.get(name, name) for name in SCHEMA.names]
    renamed = pa.schema(list(SCHEMA)).empty_table().rename_columns(names).schema
    with RecordsWriter(path, renamed) as writer:
        writer.write([record(0)])
    with pytest.raises(RecordsError, match=r"no column 'adversarial.max_jsd': 'max_jsd', as it"):
        list(read_records(path, SCHEMA))


def test_refuses_what_is_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    path.write_text("no")
    with pytest.raises(RecordsError, match="cannot read the records"):
        list(read_records(path, SCHEMA))


OLD = {".jsonl": '{"id": "e", "max_jsd": 0.1}\n', ".csv": "id,max_jsd\ne,0.1\n"}


@pytest.mark.parametrize("suffix", OLD)
def test_columns_by_an_old_name_are_refused_and_not_taken_for_missing(
    report: Report, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"records{suffix}"
    file.write_text(OLD[suffix])
    named = report.model_copy(
        update={"records_file": RecordsFile(path=file.name, sha256=sha256_of(file))}
    )
    with (
        pytest.raises(RecordsError, match=r"no column 'adversarial.max_jsd': 'max_jsd', as it"),
        open_records(named, tmp_path / "report.json").columns(),
    ):
        pass
