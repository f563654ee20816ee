"""The use case: audit a model on a data set and report what was found."""

import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attn_audit.checks.base import Check
from attn_audit.checks.selection import epsilon_for, make_checks
from attn_audit.config import AuditSettings, validate
from attn_audit.data.example import Example
from attn_audit.engine import AUTO_BATCH_SIZE, Plan, Stopwatch, run
from attn_audit.errors import ConfigurationError
from attn_audit.formats.outputs import require_outputs
from attn_audit.formats.records import RecordsWriter
from attn_audit.inputs import AuditedData, load_named_model
from attn_audit.models.base import AuditedModel
from attn_audit.models.task import TaskKind
from attn_audit.reporting import build_report, describe_records, round_seconds
from attn_audit.results.record import FIELDS, LIST_FIELDS, Record
from attn_audit.results.report import RecordsFile, Report, Run, Settings, Tool
from attn_audit.results.table import RecordTable, TableWriter, record_schema
from attn_audit.statistics.telling import TellingExamples
from attn_audit.version import __version__


def audit(
    model: str | Path | AuditedModel,
    data: str | Path | Iterable[Example],
    *,
    on_progress: Callable[[int], None] | None = None,
    **settings: Any,
) -> Report:
    """Audit whether a model's attention weights may be shown as its reasons.

    Args:
        model: A checkpoint, or a model in memory.
        data: A file, folder of splits or data set name, or examples in memory.
        on_progress: Called with the number of examples of every finished batch.
        **settings: As in `attn-audit.toml`: `checks`, `split`, `limit`, `seed`, `epsilon`,
            `records`, ...; but `output` and `format`.

    Returns:
        The report, as the command line gives it.

    Raises:
        UsageError: Model, data or settings cannot be used.
        AuditFailedError: The model's weights or outputs are not numbers.
    """
    named = {"model": model, "data": data}
    places = {key: str(value) for key, value in named.items() if isinstance(value, str | Path)}
    flags = {key: str(v) if isinstance(v, Path) else v for key, v in settings.items()}
    for_files = next((name for name in ("output", "format") if name in settings), None)
    if for_files is not None:
        raise ConfigurationError(
            f"{for_files}: the report is what audit() returns",
            hint="Write it with Path(...).write_text(report.to_json()).",
        )
    checked = validate({**places, **flags}, flags, None)
    require_outputs(checked)
    return run_audit(
        checked,
        model=model if isinstance(model, AuditedModel) else None,
        examples=None if isinstance(data, str | Path) else data,
        on_progress=on_progress or (lambda n_examples: None),
    )


def run_audit(
    settings: AuditSettings,
    *,
    model: AuditedModel | None = None,
    examples: Iterable[Example] | None = None,
    on_progress: Callable[[int], None],
) -> Report:
    """Audit as the settings say.

    Args:
        settings: Checked settings.
        model: In memory, in place of the one that the settings name.
        examples: In memory, in place of the data that the settings name.
        on_progress: Called with the number of examples of every finished batch.
    """
    started, clock, stopwatch = datetime.now(UTC), time.perf_counter(), Stopwatch()
    with _threads(settings.threads):
        data = AuditedData.of(settings) if examples is None else AuditedData.in_memory(examples)
        report = _audit(model or load_named_model(settings), data, settings, stopwatch, on_progress)
    if settings.reproducible:
        return report
    timing = Run(
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - clock, 3),
        seconds_by_stage=round_seconds(stopwatch.seconds),
    )
    return report.model_copy(update={"run": timing})


def _audit(
    model: AuditedModel,
    data: AuditedData,
    settings: AuditSettings,
    stopwatch: Stopwatch,
    on_progress: Callable[[int], None],
) -> Report:
    """Write the records of every shard aside, then sum them up."""
    checks, telling = make_checks(settings, model), TellingExamples()
    plan = Plan(checks, settings.seed, _batch_size(settings))
    with tempfile.TemporaryDirectory(prefix="attn-audit-") as folder:
        table = Path(folder) / "records.parquet"
        shards = run(model, data.sampled(settings), plan, stopwatch, on_progress)
        counts = _write(shards, table, model, settings, telling)
        with stopwatch.measure("summing up"):
            records = RecordTable(table)
            return build_report(
                records,
                tool=_tool(),
                model=model.describe(),
                data=data.describe(settings, len(records), counts.n_labelled, counts.n_truncated),
                settings=_describe_settings(settings, checks, model),
                telling=telling,
                records_file=_records_file(settings),
            )


@contextmanager
def _threads(n_threads: int | None) -> Iterator[None]:
    """Compute with that many threads, and leave the process as it was."""
    before = torch.get_num_threads()
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batch_size(settings: AuditSettings) -> int:
    return AUTO_BATCH_SIZE if settings.batch_size == "auto" else settings.batch_size


@dataclass
class _Counts:
    n_labelled: int = 0
    n_truncated: int = 0

    def add(self, records: list[Record]) -> None:
        self.n_labelled += sum(record.label is not None for record in records)
        self.n_truncated += sum(record.truncated for record in records)


def _write(
    shards: Iterator[list[Record]],
    spool: Path,
    model: AuditedModel,
    settings: AuditSettings,
    telling: TellingExamples,
) -> _Counts:
    """Write every shard as it comes: all columns for the user, the scalar ones to sum up."""
    is_multilabel = model.task.kind is TaskKind.MULTILABEL
    scalars = [name for name in FIELDS if name not in LIST_FIELDS]
    counts = _Counts()
    with ExitStack() as stack:
        table = TableWriter(spool, record_schema(model.task.n_logits, is_multilabel, scalars))
        stack.callback(table.close)
        writers: list[TableWriter | RecordsWriter] = [table]
        if settings.records is not None:
            path = Path(settings.records)
            writers.append(
                stack.enter_context(RecordsWriter(path, model.task.n_logits, is_multilabel))
            )
        for records in shards:
            for writer in writers:
                writer.write(records)
            telling.offer(records)
            counts.add(records)
    return counts


def _records_file(settings: AuditSettings) -> RecordsFile | None:
    if settings.records is None:
        return None
    output = None if settings.output is None else Path(settings.output)
    return describe_records(Path(settings.records), output)


def _tool() -> Tool:
    libraries = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }
    return Tool(name="attn-audit", version=__version__, libraries=libraries)


def _describe_settings(
    settings: AuditSettings, checks: tuple[Check, ...], model: AuditedModel
) -> Settings:
    return Settings(
        fields=settings.fields,
        label_map=settings.label_map,
        checks=tuple(check.id for check in checks),
        measures=settings.measures,
        epsilon=epsilon_for(settings, model),
        permutations=settings.permutations,
        method=settings.method,
        iterations=settings.iterations,
        restarts=settings.restarts,
        seed=settings.seed,
        batch_size=str(settings.batch_size),
        threads=torch.get_num_threads(),
        device=model.device.type,
    )
