"""The use case: audit a model on a data set and report what was found."""

import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attn_audit.checks.selection import make_checks, select_sites
from attn_audit.config import AuditSettings, validate
from attn_audit.data.example import Example
from attn_audit.engine.arithmetic import full_precision
from attn_audit.engine.batch_limits import batch_limits
from attn_audit.engine.plan import Plan
from attn_audit.engine.running import run
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.engine.watching import Progress, Watcher
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

_JUDGE = "Judge it with judge(report, load_policy(...))"
_NOT_FROM_PYTHON = {
    "output": "Write it with Path(...).write_text(report.to_json())",
    "format": "Write it with Path(...).write_text(report.to_json())",
    "policy": _JUDGE,
    "inconclusive": _JUDGE,
}
"""Settings of the command line alone, and what to do instead."""

N_TRIAL = 8
"""Examples that a model is tried out on before the audit."""


def audit(
    model: str | Path | AuditedModel,
    data: str | Path | Iterable[Example],
    *,
    on_progress: Callable[[Progress], None] | None = None,
    **settings: Any,
) -> Report:
    """Audit whether a model's attention weights may be shown as its reasons.

    Args:
        model: A checkpoint, or a model in memory.
        data: A file, folder of splits or data set name, or examples in memory.
        on_progress: Called after every batch with how far the audit is.
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
    for name, instead in _NOT_FROM_PYTHON.items():
        if name in settings:
            raise ConfigurationError(
                f"{name}: the report is what audit() returns", hint=f"{instead}."
            )
    checked = validate({**places, **flags}, flags, None)
    require_outputs(checked)
    return run_audit(
        checked,
        model=model if isinstance(model, AuditedModel) else None,
        examples=None if isinstance(data, str | Path) else data,
        watcher=Watcher(on_progress, on_note=lambda note: warnings.warn(note, stacklevel=2)),
    )


def run_audit(
    settings: AuditSettings,
    *,
    model: AuditedModel | None = None,
    examples: Iterable[Example] | None = None,
    watcher: Watcher,
) -> Report:
    """Audit as the settings say.

    Args:
        settings: Checked settings.
        model: In memory, in place of the one that the settings name.
        examples: In memory, in place of the data that the settings name.
        watcher: Is told how it goes.
    """
    started, clock, stopwatch = datetime.now(UTC), time.perf_counter(), Stopwatch()
    with full_precision(settings.threads):
        data = AuditedData.of(settings) if examples is None else AuditedData.in_memory(examples)
        with stopwatch.measure("reading data"):
            trial, data = data.peek(N_TRIAL)
        audited = model or load_named_model(settings, trial)
        report = _audit(audited, data, trial, settings, stopwatch, watcher)
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
    watcher: Watcher,
) -> Report:
    """Write the records of every shard aside, then sum them up."""
    sites = select_sites(settings, model)
    with stopwatch.measure("self-check"):
        self_checks = self_check(model, model.encode(trial), sites[0])
    limits = batch_limits(model, settings.batch_size)
    plan = Plan(make_checks(settings, model), sites, settings.seed, limits)
    files = RecordsPaths.of(settings.records, has_several_sites=len(sites) > 1)
    with tempfile.TemporaryDirectory(prefix="attn-audit-") as folder:
        table = Path(folder) / "records.parquet"
        is_multilabel = model.task.kind is TaskKind.MULTILABEL
        with Recording(
            table,
            files,
            n_logits=model.task.n_logits,
            is_multilabel=is_multilabel,
            seed=settings.seed,
        ) as recording:
            examples = data.sampled(settings)
            sizes = None
            if watcher.on_progress is not None:
                with stopwatch.measure("reading data"):
                    sizes = data.sizes(examples)
            for found in run(model, examples, plan, stopwatch, watcher, sizes):
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
                sampled=recording.sampled,
                sites=recording.sites,
                records_file=files.describe(Path(settings.output[0]) if settings.output else None),
            )
