"""The use case: audit a model on a data set and report what was found."""

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attn_audit.checks.selection import make_checks, select_sites
from attn_audit.config import AuditSettings, validate
from attn_audit.data.example import Example
from attn_audit.engine.arithmetic import full_precision
from attn_audit.engine.plan import AUTO_BATCH_SIZE, Plan
from attn_audit.engine.running import run
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.errors import ConfigurationError
from attn_audit.formats.outputs import require_outputs
from attn_audit.inputs import AuditedData, load_named_model
from attn_audit.models.base import AuditedModel
from attn_audit.models.self_check import self_check
from attn_audit.models.task import TaskKind
from attn_audit.reporting.provenance import describe_settings, describe_tool
from attn_audit.reporting.recording import Recording, RecordsPaths
from attn_audit.reporting.report import build_report, round_seconds
from attn_audit.results.report import Report, Run
from attn_audit.results.table import RecordTable

N_TRIAL = 8
"""Examples that a model is tried out on before the audit."""


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
        AuditFailedError: The model's weights or outputs are not numbers, or it fails the
            self-check.
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
    with full_precision(settings.threads):
        data = AuditedData.of(settings) if examples is None else AuditedData.in_memory(examples)
        with stopwatch.measure("reading data"):
            trial, data = data.peek(N_TRIAL)
        audited = model or load_named_model(settings, trial)
        report = _audit(audited, data, trial, settings, stopwatch, on_progress)
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
    trial: Sequence[Example],
    settings: AuditSettings,
    stopwatch: Stopwatch,
    on_progress: Callable[[int], None],
) -> Report:
    """Write the records of every shard aside, then sum them up."""
    sites = select_sites(settings, model)
    with stopwatch.measure("self-check"):
        self_checks = self_check(model, model.encode(trial), sites[0])
    plan = Plan(make_checks(settings, model), sites, settings.seed, _batch_size(settings))
    files = RecordsPaths.of(settings.records, has_several_sites=len(sites) > 1)
    with tempfile.TemporaryDirectory(prefix="attn-audit-") as folder:
        table = Path(folder) / "records.parquet"
        is_multilabel = model.task.kind is TaskKind.MULTILABEL
        with Recording(
            table, files, n_logits=model.task.n_logits, is_multilabel=is_multilabel
        ) as recording:
            for found in run(model, data.sampled(settings), plan, stopwatch, on_progress):
                recording.add(
                    [finding.record for finding in found],
                    [record for finding in found for record in finding.site_records],
                )
        with stopwatch.measure("summing up"):
            records = RecordTable(table)
            return build_report(
                records,
                tool=describe_tool(),
                model=model.describe(),
                data=data.describe(
                    settings,
                    len(records),
                    recording.n_labelled,
                    recording.n_truncated,
                    recording.n_readout_deleted,
                ),
                settings=describe_settings(settings, plan.checks, sites[0], model),
                self_checks=self_checks,
                telling=recording.telling,
                sites=recording.sites,
                records_file=files.describe(Path(settings.output) if settings.output else None),
            )


def _batch_size(settings: AuditSettings) -> int:
    return AUTO_BATCH_SIZE if settings.batch_size == "auto" else settings.batch_size
