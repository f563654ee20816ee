"""The use case: audit a model on a data set, or go on where an audit was cut short."""

import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch

from attn_audit.checks.base import Check
from attn_audit.checks.registry import applying, select_sites
from attn_audit.data.example import Example
from attn_audit.engine.batch import SHARD_SIZE, Found, Plan, encode_or_record
from attn_audit.engine.cost import cost_ahead
from attn_audit.engine.fitting import (
    FITTING,
    described,
    fit_mixes,
    is_fitted_for,
    texts_to_fit,
)
from attn_audit.engine.in_process import Engine, LocalEngine, cut
from attn_audit.engine.inputs import (
    AuditedData,
    Item,
    LoadModel,
    describe_settings,
    describe_tool,
    explaining,
    load_named_model,
)
from attn_audit.engine.labels import LABELS, labels_of, settings_for
from attn_audit.engine.leverage import (
    LEVERAGE,
    N_TEXTS,
    leverage_by_layer,
    leverage_passes,
    with_layer,
)
from attn_audit.engine.recorder import RecordsPaths
from attn_audit.engine.report import sum_up
from attn_audit.engine.run_directory import RunDirectory, held_run_directory, open_run_directory
from attn_audit.engine.sampling import checks_of, encoded_of
from attn_audit.engine.shards import BatchPlan, Manifest, Shards
from attn_audit.engine.stopwatch import Meter, Stopwatch, progress_of
from attn_audit.errors import ConfigurationError, InvalidOutputError, RunDirectoryError
from attn_audit.findings import registry
from attn_audit.findings.example import ID
from attn_audit.measures.costs import Spent
from attn_audit.models.capacity import BatchLimits
from attn_audit.models.contract import AuditedModel, Site
from attn_audit.models.self_check import self_check
from attn_audit.process import full_precision
from attn_audit.progress import Watcher
from attn_audit.results.model_description import Leverage
from attn_audit.results.report import Cost, Report, Run, SelfCheck, Subject
from attn_audit.results.verdict import LabelAnswer
from attn_audit.settings import AuditSettings


def run_audit(
    settings: AuditSettings,
    *,
    load: LoadModel | None = None,
    items: Iterable[Item] | None = None,
    watcher: Watcher,
) -> Report:
    """Audit as the settings say.

    Args:
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
            if directory.earlier is not None:
                settings = replace(
                    settings, threads=settings.threads or directory.earlier.plan.threads
                )
        if settings.engine == "ray":
            _require_named(load)
            settings = replace(settings, threads=settings.threads or 1)
        stack.enter_context(full_precision(settings.threads))
        data = AuditedData.of(settings, items)
        model, trial = data.load_model(settings, load)
        settings = applying(settings, model)
        labels = labels_of(model, settings)
        with stopwatch.measure("reading data"):
            data = data.checked(model, settings)
        report = _audit(model, data, trial, settings, stopwatch, watcher, directory)
        if labels:
            with stopwatch.measure(LABELS):
                answers = (
                    _of_label(label, model, data, trial, report, settings, watcher)
                    for label in labels
                )
                report = report.model_copy(update={"labels": tuple(answers)})
    if settings.reproducible:
        return report
    timing = Run(
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - clock, 3),
        seconds_by_stage={stage: round(spent, 3) for stage, spent in stopwatch.seconds.items()},
        costs={name: _cost(spent) for name, spent in stopwatch.costs.items()},
    )
    return report.model_copy(update={"run": timing})


def _cost(spent: Spent) -> Cost:
    return Cost(
        n=spent.n_texts,
        passes=spent.passes / spent.n_texts,
        milliseconds=round(1000 * spent.seconds / spent.n_texts, 3),
    )


def _of_label(
    label: str,
    model: AuditedModel,
    data: AuditedData,
    trial: Sequence[Example],
    report: Report,
    settings: AuditSettings,
    watcher: Watcher,
) -> LabelAnswer:
    """The answer of an audit that explains the label, whatever is predicted."""
    own = settings_for(label, report, settings)
    with ExitStack() as stack:
        directory = None
        if own.run_dir is not None:
            directory = stack.enter_context(held_run_directory(own.run_dir, resume=own.resume))
        twin = explaining(model, own)
        found = _audit(twin, data, trial, own, Stopwatch(), watcher, directory)
    assert found.answer is not None, "every audit has one"
    return LabelAnswer(label=label, answer=found.answer)


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
    earlier = None if directory is None else directory.earlier
    with stopwatch.measure(LEVERAGE):
        layers = _layers(model, data, settings, earlier)
    settings = with_layer(settings, layers)
    sites = select_sites(settings, model)
    plan = plan_of(settings, model, sites, checks_of(settings, model, data), earlier)
    with stopwatch.measure("self-check"):
        self_checks = _self_checked(model, trial, plan)
    if is_fitted_for(plan.checks):
        with stopwatch.measure(FITTING):
            fitting = texts_to_fit(model, data, settings)
            plan = replace(plan, mixes=fit_mixes(model, fitting, settings.seed))
    subject = Subject(
        tool=describe_tool(),
        model=model.describe(),
        data=data.describe(settings),
        settings=describe_settings(settings, plan.checks, sites[0], model),
        self_checks=tuple(self_checks),
        layers=layers,
        head_mix=described(model, plan.mixes),
    )
    store = None
    if directory is not None:
        manifest, store = directory.begin(manifest_of(subject, plan))
        subject = manifest.subject
    examples = data.sampled(settings)
    n_examples = min(data.n_examples, settings.limit or data.n_examples)
    if len(sites) > 1:
        encoded = encoded_of(model, data.sampled_for_layers(N_TEXTS, settings.seed))
        n_timed = 0 if layers is None or earlier is not None else layers.n_texts
        of_pass = (
            stopwatch.seconds[LEVERAGE] / (n_timed * leverage_passes(model)) if n_timed else None
        )
        if encoded:
            watcher.on_cost(cost_ahead(plan, encoded, n_examples, of_pass))
    if settings.engine == "ray":
        engine: Engine = _ray_engine(settings, trial, plan, watcher, n_examples)
    else:
        stopwatch.meter = _meter(plan, watcher, n_examples)
        engine = LocalEngine(model, plan, stopwatch, watcher)
    shards = cut(examples, plan)
    found = engine.audit(shards) if store is None else _Resuming(engine, store).audited(shards)
    return sum_up(
        subject,
        found,
        RecordsPaths.of(settings.records, has_several_sites=len(sites) > 1),
        Path(settings.output[0]) if settings.output else None,
        timing=stopwatch.measure("summing up"),
    )


def _layers(
    model: AuditedModel, data: AuditedData, settings: AuditSettings, earlier: Manifest | None
) -> Leverage | None:
    """Leverage by layer; that of the audit that is gone on with, which chose by it."""
    if earlier is not None:
        return earlier.subject.layers
    if len(model.layers) < 2:
        return None
    return leverage_by_layer(model, data.sampled_for_layers(N_TEXTS, settings.seed))


def _self_checked(model: AuditedModel, trial: Sequence[Example], plan: Plan) -> Sequence[SelfCheck]:
    """On the texts of the trial at which the model does not fail, where failures are recorded."""
    encoded = encode_or_record(model, trial, plan)[0] or model.encode(trial)
    while True:
        try:
            return self_check(model, encoded, plan.sites[0])
        except InvalidOutputError as error:
            others = [each for each in encoded if each.example.id != error.example_id]
            if not (plan.records_failures and others):
                raise
            encoded = others


def _meter(plan: Plan, watcher: Watcher, n_examples: int) -> Meter | None:
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
            n_examples=n_examples,
        )
        on_progress(found)

    return Meter(plan.checks, plan.sites, tell)


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
    n_examples: int,
) -> Engine:
    from attn_audit.engine.ray import Cluster, RayEngine

    cluster = Cluster(settings.ray_address, settings.workers, settings.gpus_per_worker or 0.0)
    shown = tuple(m.shown for m in registry.measures() if m.shown is not None)
    load = partial(_load_on_worker, shown, settings, tuple(trial))
    return RayEngine(load, plan, cluster, watcher, n_examples)


def _load_on_worker(
    shown: Sequence[str], settings: AuditSettings, trial: Sequence[Example]
) -> AuditedModel:
    """What another process has to know first: the fields whose scores come with the examples."""
    registry.add_shown(shown)
    return load_named_model(settings, trial)


def plan_of(
    settings: AuditSettings,
    model: AuditedModel,
    sites: Sequence[Site],
    checks: Sequence[Check],
    earlier: Manifest | None,
) -> Plan:
    """What is computed, in the portions of the audit that is gone on with.

    Args:
        settings: As the user gives them.
        earlier: Of the audit that was started before; None: none was.
    """
    if earlier is not None and settings.batch_size == "auto":
        limits = BatchLimits(earlier.plan.batch_examples, earlier.plan.batch_tokens)
    else:
        limits = model.batch_limits(settings.batch_size)
    before = SHARD_SIZE if earlier is None else earlier.plan.shard_size
    return Plan(
        checks=tuple(checks),
        sites=tuple(sites),
        seed=settings.seed,
        limits=limits,
        shard_size=settings.shard_size or before,
        records_failures=settings.on_error == "record",
    )


def manifest_of(subject: Subject, plan: Plan) -> Manifest:
    """What a run directory says of an audit."""
    return Manifest(
        subject=subject,
        plan=BatchPlan(
            batch_examples=plan.limits.n_examples,
            batch_tokens=plan.limits.n_tokens,
            shard_size=plan.shard_size,
            threads=torch.get_num_threads(),
        ),
        sites=tuple((site.layer, site.head) for site in plan.sites),
        on_error="record" if plan.records_failures else "stop",
    )


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A shard whose records were not given yet."""

    number: int
    ids: bytes
    """Hash of its examples' ids."""
    is_finished: bool


class _Resuming:
    """What is new is kept before it is given; what was kept is not audited again."""

    def __init__(self, engine: Engine, store: Shards) -> None:
        self._engine, self._store = engine, store
        self._finished = set(store.finished())
        self._waiting: deque[_Waiting] = deque()
        self._n_shards = 0

    def audited(self, shards: Iterable[Sequence[Example]]) -> Iterator[Found]:
        for found in self._engine.audit(self._unfinished(shards)):
            yield from self._kept()
            self._store.write(self._waiting.popleft().number, found)
            yield found
        yield from self._kept()
        self._store.complete(self._n_shards)

    def _unfinished(self, shards: Iterable[Sequence[Example]]) -> Iterator[Sequence[Example]]:
        for number, shard in enumerate(shards):
            self._n_shards = number + 1
            is_finished = number in self._finished
            ids = _hash(example.id for example in shard)
            self._waiting.append(_Waiting(number, ids, is_finished))
            if is_finished:
                self._engine.skip(shard)
            else:
                yield shard

    def _kept(self) -> Iterator[Found]:
        """The finished shards before the next that is not."""
        while self._waiting and self._waiting[0].is_finished:
            shard = self._waiting.popleft()
            found = self._store.read(shard.number)
            if _hash(found.records[ID.name].to_pylist()) != shard.ids:
                raise RunDirectoryError(
                    self._store.folder,
                    f"shard {shard.number} is of other examples than the data now holds there",
                    hint="The data was changed since: name another --run-dir.",
                )
            yield found


def _hash(ids: Iterable[str]) -> bytes:
    return hashlib.sha256("\0".join(ids).encode()).digest()
