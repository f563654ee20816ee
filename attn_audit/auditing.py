"""The use case: audit a model on a data set and report what was found."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from attn_audit.arithmetic import full_precision
from attn_audit.checks.selection import select_sites
from attn_audit.data.example import Example
from attn_audit.engine.batch import Plan
from attn_audit.engine.running import Engine, LocalEngine, cut
from attn_audit.engine.stopwatch import Meter, Stopwatch, progress_of
from attn_audit.errors import ConfigurationError
from attn_audit.inputs import AuditedData, Item, LoadModel, load_named_model
from attn_audit.models.base import AuditedModel
from attn_audit.models.self_check import self_check
from attn_audit.progress import Watcher
from attn_audit.reporting.provenance import describe_settings, describe_tool
from attn_audit.reporting.recording import RecordsPaths
from attn_audit.reporting.report import round_seconds
from attn_audit.reporting.summing_up import sum_up
from attn_audit.results.report import Report, Run
from attn_audit.results.subject import Subject
from attn_audit.resuming import audited, manifest_of, plan_of, settings_of_run
from attn_audit.settings import AuditSettings
from attn_audit.store.directory import RunDirectory, open_run_directory


def run_audit(
    settings: AuditSettings,
    *,
    load: LoadModel | None = None,
    items: Iterable[Item] | None = None,
    watcher: Watcher,
) -> Report:
    """Audit as the settings say.

    Args:
        settings: Checked settings.
        load: Loads a model in memory; None: the one that the settings name.
        items: Data in memory, in place of what the settings name.
        watcher: Is told how it goes.
    """
    started, clock, stopwatch = datetime.now(UTC), time.perf_counter(), Stopwatch()
    with ExitStack() as stack:
        directory = None
        if settings.run_dir is not None:
            opened = open_run_directory(settings.run_dir, resume=settings.resume)
            directory = stack.enter_context(opened)
            settings = settings_of_run(settings, directory.earlier)
        if settings.engine == "ray":
            _require_named(load)
            settings = replace(settings, threads=settings.threads or 1)
        stack.enter_context(full_precision(settings.threads))
        data = AuditedData.of(settings, items)
        with stopwatch.measure("reading data"):
            trial, data = data.take_trial()
        model, trial = data.load_model(settings, trial, load)
        report = _audit(model, data, trial, settings, stopwatch, watcher, directory)
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
    directory: RunDirectory | None,
) -> Report:
    """Audit shard by shard, and sum up what was found."""
    sites = select_sites(settings, model)
    with stopwatch.measure("self-check"):
        self_checks = self_check(model, model.encode(trial), sites[0])
    earlier = None if directory is None else directory.earlier
    plan = plan_of(settings, model, sites, earlier)
    subject = Subject(
        tool=describe_tool(),
        model=model.describe(),
        data=data.describe(settings),
        settings=describe_settings(settings, plan.checks, sites[0], model),
        self_checks=tuple(self_checks),
    )
    store = None
    if directory is not None:
        manifest, store = directory.begin(manifest_of(subject, plan))
        subject = manifest.subject
    examples = data.sampled(settings)
    count = partial(len, examples) if isinstance(examples, Sequence) else data.count
    if settings.engine == "ray":
        engine: Engine = _ray_engine(settings, trial, plan, watcher, count)
    else:
        stopwatch.meter = _meter(plan, watcher, count)
        engine = LocalEngine(model, plan, stopwatch, watcher)
    return sum_up(
        subject,
        audited(engine, cut(examples, plan), store),
        RecordsPaths.of(settings.records, has_several_sites=len(sites) > 1),
        Path(settings.output[0]) if settings.output else None,
        timing=stopwatch.measure("summing up"),
    )


def _meter(plan: Plan, watcher: Watcher, count: Callable[[], int | None]) -> Meter | None:
    """What counts for whoever watches; None where nobody does."""
    on_progress = watcher.on_progress
    if on_progress is None:
        return None

    def tell(meter: Meter) -> None:
        found = progress_of(
            meter.spent(),
            meter.doing,
            n_finished=meter.n_finished,
            n_skipped=meter.n_skipped,
            n_examples=count(),
        )
        on_progress(found)

    return Meter(plan.checks, len(set(plan.sites)), tell)


def _require_named(load: LoadModel | None) -> None:
    if load is not None:
        raise ConfigurationError(
            "engine: workers load the model themselves, and this one is in memory",
            hint="Name a checkpoint that the workers can read.",
        )


def _ray_engine(
    settings: AuditSettings,
    trial: Sequence[Example],
    plan: Plan,
    watcher: Watcher,
    count: Callable[[], int | None],
) -> Engine:
    from attn_audit.engine.ray import Cluster, RayEngine

    cluster = Cluster(settings.ray_address, settings.workers, settings.gpus_per_worker or 0.0)
    load = partial(load_named_model, settings, tuple(trial))
    return RayEngine(load, plan, cluster, watcher, count)
