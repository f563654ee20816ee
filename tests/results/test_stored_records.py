"""Records that were written are read back as they were."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pytest

from attn_audit.errors import RecordsError
from attn_audit.files import sha256_of
from attn_audit.findings import permutation
from attn_audit.formats.records import RecordsWriter
from attn_audit.results.report import RecordsFile, Report
from attn_audit.results.stored_records import N_AT_ONCE, open_records, read_records, read_table
from attn_audit.results.table import Row, schemas
from tests.formats.conftest import report
from tests.records import table

__all__ = ["report"]

SCHEMA, OF_SITES = schemas(1, is_multilabel=False)
ROWS = [[0.25, 0.75], [1.0, 0.0]]


def record(i: int) -> Row:
    return {
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


def write(path: Path, written: pa.Table) -> None:
    with RecordsWriter(path, written.schema) as writer:
        writer.write(written)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_what_was_written_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"records{suffix}"
    written = table([record(i) for i in range(N_AT_ONCE + 3)])
    write(path, written)
    assert pa.concat_tables(read_records(path, SCHEMA)) == written


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_site_records_too(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sites{suffix}"
    rows = [{"id": "e", "layer": layer, "head": 2, "audited_mass": 0.5} for layer in range(3)]
    written = table(rows, OF_SITES)
    write(path, written)
    assert pa.concat_tables(read_records(path, OF_SITES)) == written


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_several_labels_are_read_from_every_format(tmp_path: Path, suffix: str) -> None:
    path, schema = tmp_path / f"records{suffix}", schemas(3, is_multilabel=True)[0]
    several = {"label": ("NA",), "prediction": ("a|b", '"c", d'), "probability": (0.75, 0.125, 0.5)}
    none_is_on = {"label": None, "prediction": (), "probability": (0.25, 0.125, 0.0)}
    failed = {"id": "e2", "status": "failed", "n_units": 0, "truncated": False}
    write(path, table([record(0) | several, record(0) | none_is_on, failed], schema))
    found = read_table(path, schema)
    for name in ("label", "prediction", "probability"):
        expected = [several[name], none_is_on[name], None]
        assert found[name].to_pylist() == [None if v is None else list(v) for v in expected]
    assert found["truncated"].to_pylist() == [False] * 3
    assert ("units" in found.column_names) == (suffix != ".csv")


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_tokens_are_read_by_whatever_name_they_have(tmp_path: Path, suffix: str) -> None:
    path, schema = tmp_path / f"records{suffix}", schemas(5, is_multilabel=False)[0]
    likeliest = ("|", '"', "␣,", "\\n", "[")
    write(path, table([record(0) | {"likeliest": likeliest, "probability": (0.2,) * 5}], schema))
    found = read_table(path, schema)
    assert found["likeliest"].to_pylist() == [list(likeliest)]
    if suffix == ".csv":
        (row,) = csv.DictReader(path.read_text().splitlines())
        assert json.loads(row["likeliest"]) == list(likeliest)


def test_a_cell_of_a_csv_that_holds_no_list_is_refused(tmp_path: Path) -> None:
    path, schema = tmp_path / "records.csv", schemas(3, is_multilabel=True)[0]
    write(path, table([record(0) | {"prediction": ("a", "b"), "probability": (0.1,) * 3}], schema))
    path.write_text(path.read_text().replace('"[""a"", ""b""]"', "a|b"))
    with pytest.raises(RecordsError, match=r"cannot read the records .*'prediction' holds 'a|b'"):
        read_table(path, schema)


def test_refuses_columns_of_another_model(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    write(path, table([record(0)]))
    with pytest.raises(RecordsError, match="'probability' holds double, not list"):
        list(read_records(path, schemas(3, is_multilabel=False)[0]))
    with pytest.raises(RecordsError, match="it has no column 'layer'"):
        list(read_records(path, OF_SITES))


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_an_old_column_is_refused_with_its_new_name(tmp_path: Path, suffix: str) -> None:
    path, old = tmp_path / f"records{suffix}", {"adversarial.max_jsd": "max_jsd"}
    names = [old.get(name, name) for name in SCHEMA.names]
    write(path, table([record(0)]).rename_columns(names))
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


def test_a_column_that_a_metric_lacks_is_named_with_its_file(
    report: Report, tmp_path: Path
) -> None:
    file = tmp_path / "records.parquet"
    write(file, table([record(0)]).drop_columns(["permutation.distance"]))
    named = report.model_copy(
        update={"records_file": RecordsFile(path=file.name, sha256=sha256_of(file))}
    )
    with (
        pytest.raises(RecordsError, match=r"records\.parquet: it has no column 'permutation.dist"),
        open_records(named, tmp_path / "report.json").columns() as examples,
    ):
        examples.numbers(permutation.DISTANCE_FIELD)
