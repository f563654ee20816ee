"""The records of a report: found, verified, and in one form whatever their format."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from attn_audit.errors import ComparisonRefusedError, ReportError
from attn_audit.files import problem_of, sha256_of
from attn_audit.findings.example import PROBABILITY
from attn_audit.findings.field import Field, Kind, Shape
from attn_audit.findings.registry import record_fields
from attn_audit.results.examples import Examples
from attn_audit.results.report import Report
from attn_audit.results.table import record_schema


def _compared() -> list[Field[object]]:
    """Columns that are read; a probability is a number or a list, as the model has outputs."""
    return [field for field in record_fields() if field is not PROBABILITY]


@contextmanager
def opened_records(report: Report, path: Path) -> Iterator[Examples]:
    """The records of a report, as columns.

    Raises:
        ReportError: The records are missing, changed since the report was written, or unreadable.
    """
    assert report.records_file is not None, "the caller asks first"
    file, task = path.parent / report.records_file.path, (report.model.labels, report.model.task)
    _verify(file, report.records_file.sha256, path)
    try:
        if file.suffix == ".parquet":
            _require_types(file, report, path)
            yield Examples(file, *task)
            return
        with tempfile.TemporaryDirectory(prefix="attn-audit-") as folder:
            converted = Path(folder) / "records.parquet"
            pq.write_table(_read_text(file, report), converted)
            yield Examples(converted, *task)
    except pa.ArrowException as error:
        problem = str(error).splitlines()[0]
        raise ReportError(path, f"its records {file} cannot be read: {problem}") from None


def _verify(file: Path, sha256: str, report: Path) -> None:
    hint = "Without them, summaries can be compared: `--allow-different-data`."
    if file.exists() and not file.is_file():  # a device or pipe has no end
        raise ReportError(report, f"its records {file} are no file", hint=hint)
    try:
        found = sha256_of(file)
    except OSError as error:
        problem = problem_of(error)
        raise ReportError(report, f"its records {file}: {problem}", hint=hint) from None
    if found != sha256:
        raise ReportError(
            report,
            f"the records {file} are not those that it was made with: their SHA-256 is "
            f"{found[:12]}, not {sha256[:12]}",
            hint=hint,
        )


def _require_types(file: Path, report: Report, path: Path) -> None:
    """What stands in a column is what records have there."""
    found = pq.read_schema(file)
    for wanted in record_schema(1, report.model.task == "multilabel", _compared()):
        index = found.get_field_index(wanted.name)
        if index >= 0 and not _is_alike(found.field(index).type, wanted.type):
            raise ReportError(
                path,
                f"its records {file}: the column {wanted.name!r} holds {found.field(index).type}, "
                f"not {wanted.type}",
            )


def _is_alike(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Equal but for the names that files give to the items of lists."""
    if pa.types.is_list(found) and pa.types.is_list(wanted):
        return _is_alike(found.value_type, wanted.value_type)
    return bool(found == wanted)


def _read_text(file: Path, report: Report) -> pa.Table:
    """JSON Lines or CSV; several labels stand in one cell of CSV, parted by `|`."""
    is_multilabel = report.model.task == "multilabel"
    if file.suffix == ".jsonl":
        parsing = pa_json.ParseOptions(
            explicit_schema=record_schema(1, is_multilabel, _compared()),
            unexpected_field_behavior="ignore",
        )
        return pa_json.read_json(file, parse_options=parsing)
    fields = [field for field in _compared() if field.shape is Shape.ONE]
    names = [field.name for field in fields]
    conversion = pa_csv.ConvertOptions(
        column_types=record_schema(1, False, fields),
        include_columns=names,
        strings_can_be_null=True,
        null_values=[""],  # a label may be called NA
    )
    table = pa_csv.read_csv(file, convert_options=conversion)
    for i, field in enumerate(fields):
        if is_multilabel and field.kind is Kind.LABEL:
            split = pc.split_pattern(table[field.name], pattern="|")
            table = table.set_column(i, field.name, split)
    return table


def require_unique_ids(ids: list[str], report: Path) -> None:
    """Refuse records in which an example cannot be told from another.

    Raises:
        ComparisonRefusedError: An id stands twice.
    """
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise ComparisonRefusedError(
                f"the records of {report} hold two examples with the id {name!r}",
                hint="Give the examples ids of their own, or compare the summaries alone with "
                "`--allow-different-data`.",
            )
        seen.add(name)
