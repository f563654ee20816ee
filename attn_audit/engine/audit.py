"""The use case: audit a model on a data set, or go on where an audit was cut short."""

import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median_low

import torch

from attn_audit.checks.base import Check
from attn_audit.checks.erasure import Erasure
from attn_audit.checks.registry import applying, measured_by, passes_of, select_sites
from attn_audit.data.example import Example
from attn_audit.data.skipped_rows import quoting_no_text
from attn_audit.engine import run_directory, sampling
from attn_audit.engine.in_process import (
    Engine,
    LocalEngine,
    Plan,
    RecordTables,
    cut,
    encode_or_record,
)
from attn_audit.engine.inputs import AuditedData, Item, LoadModel, explaining, load_named_model
from attn_audit.engine.report import sum_up
from attn_audit.engine.run_directory import BatchPlan, Manifest, RunDirectory, Shards
from attn_audit.engine.stopwatch import Meter, Stopwatch
from attn_audit.errors import ConfigurationError, InvalidOutputError, RunDirectoryError
from attn_audit.findings import registry
from attn_audit.findings.example import ID
from attn_audit.judgement.policy import load_policy
from attn_audit.models.capacity import BatchLimits
from attn_audit.models.contract import AuditedModel, EncodedExample, Site
from attn_audit.models.self_check import self_check
from attn_audit.numbers import count, counted, duration
from attn_audit.process import full_precision
from attn_audit.progress import Progress, Watcher
from attn_audit.results.report import Cost, Report, Run, SelfCheck
from attn_audit.results.verdict import LabelAnswer
from attn_audit.settings import EACH, AuditSettings


@quoting_no_text
def run_audit(
    settings: AuditSettings,
    *,
    load: LoadModel | None = None,
    items: Iterable[Item] | None = None,
    watcher: Watcher,
) -> Report:
    """Audit as the settings say.

    Raises:
        ConfigurationError: Workers are asked for, and the model is in memory.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    stopwatch = Stopwatch(on_stage=partial(_tell_of_stage, watcher))
    with ExitStack() as stack:
        opened = run_directory.held_run_directory(settings.run_dir, resume=settings.resume)
        directory = stack.enter_context(opened)
        stack.enter_context(run_directory.saying_what_is_kept(settings.run_dir))
        if directory is not None and directory.earlier is not None:
            settings = replace(settings, threads=settings.threads or directory.earlier.plan.threads)
        if settings.engine == "ray":
            if load is not None:
                raise ConfigurationError(
                    "engine: workers load the model themselves, and this one is in memory",
                    hint="Name a checkpoint that the workers can read.",
                )
            settings = replace(settings, threads=settings.threads or 1)
        stack.enter_context(full_precision(settings.threads))
        data = AuditedData.of(settings, items)
        stopwatch.on_stage("loading the model")
        model, trial = data.load_model(settings, load)
        settings = applying(settings, model)
        labels = labels_of(model, settings)
        with stopwatch.measure("reading data"):
            data = data.checked(model, settings)
        report = _audit(model, data, trial, settings, stopwatch, watcher, directory)
        answers = list[LabelAnswer]()
        with stopwatch.measure(LABELS) if labels else nullcontext():
            for label in labels:  # each an audit that explains it, whatever is predicted
                own = settings_for(label, report, settings)
                with run_directory.held_run_directory(own.run_dir, resume=own.resume) as folder:
                    twin = explaining(model, own)
                    found = _audit(twin, data, trial, own, Stopwatch(), watcher, folder)
                assert found.answer is not None, "every audit has one"
                answers.append(LabelAnswer(label=label, answer=found.answer))
    named = {"title": settings.title, "author": settings.author, "labels": tuple(answers)}
    report = report.model_copy(update=named)
    if settings.reproducible:
        return report
    timing = Run(
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - clock, 3),
        seconds_by_stage={stage: round(spent, 3) for stage, spent in stopwatch.seconds.items()},
        costs={
            name: Cost(
                n=spent.n_texts,
                passes=spent.passes / spent.n_texts,
                milliseconds=round(1000 * spent.seconds / spent.n_texts, 3),
            )
            for name, spent in stopwatch.costs.items()
        },
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
    earlier = None if directory is None else directory.earlier
    texts, layers = list[EncodedExample](), None if earlier is None else earlier.subject.layers
    are_compared = earlier is None and len(model.layers) > 1
    if are_compared or "all" in (settings.layer, settings.head):
        texts = sampling.texts_of(model, data, settings)
    if are_compared:
        is_chosen = settings.layer == "best"
        layers = sampling.leverage_by_layer(model, texts, stopwatch, has_reach=is_chosen)
    settings = sampling.with_layer(settings, layers)
    sites = select_sites(settings, model)
    plan = plan_of(settings, model, sites, sampling.checks_of(settings, model, data), earlier)
    with stopwatch.measure("self-check"):
        self_checks = _self_checked(model, trial, plan)
    if sampling.is_fitted_for(plan.checks):
        with stopwatch.measure(sampling.FITTING):
            fitting = sampling.texts_to_fit(model, data, settings)
            plan = replace(plan, mixes=sampling.fit_mixes(model, fitting, settings.seed))
    subject = data.subject(
        model,
        settings,
        plan.checks,
        sites[0],
        self_checks,
        layers=layers,
        head_mix=sampling.described(model, plan.mixes),
    )
    store = None
    if directory is not None:
        portions = BatchPlan(
            batch_examples=plan.limits.n_examples,
            batch_tokens=plan.limits.n_tokens,
            shard_size=plan.shard_size,
            threads=torch.get_num_threads(),
        )
        places = tuple((site.layer, site.head) for site in sites)
        asked = Manifest(subject=subject, plan=portions, sites=places, on_error=settings.on_error)
        manifest, store = directory.begin(asked)
        subject = manifest.subject
    examples = data.sampled(settings)
    n_examples = min(data.n_examples, settings.limit or data.n_examples)
    of_pass = None
    if are_compared and layers is not None:
        n_passes = layers.n_texts * sampling.leverage_passes(model)
        of_pass = stopwatch.seconds[sampling.LEVERAGE] / n_passes
    erasure = next((check for check in plan.checks if isinstance(check, Erasure)), None)
    if len(sites) > 1 and texts:
        watcher.on_cost(cost_ahead(plan, texts, n_examples, of_pass))
    elif texts and erasure is not None and of_pass is not None:
        n_judged = min(n_examples, settings.erasure_sample)
        passes = n_judged * erasure.passes(_median(texts).n_units)
        if passes * of_pass >= LONG:
            watcher.on_cost(
                f"erasure leaves units out of {counted(n_judged, 'text')}: about "
                f"{count(passes)} passes, up to about {duration(passes * of_pass)}"
            )
    if settings.engine == "ray":
        engine: Engine = _ray_engine(settings, trial, plan, watcher, n_examples)
    else:
        if (told := watcher.on_progress) is not None:
            stopwatch.meter = Meter(
                plan.checks, plan.sites, lambda meter: told(meter.progress(n_examples))
            )
        engine = LocalEngine(model, plan, stopwatch, watcher)
    shards = cut(examples, plan)
    found = engine.audit(shards) if store is None else _resumed(engine, store, shards)
    return sum_up(
        subject,
        found,
        settings.records,
        Path(settings.output[0]) if settings.output else None,
        timing=stopwatch.measure("summing up"),
    )


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


def _tell_of_stage(watcher: Watcher, name: str) -> None:
    """What is under way before examples are counted."""
    if watcher.on_progress is not None:
        watcher.on_progress(Progress(0, None, name))


def _ray_engine(
    settings: AuditSettings, trial: Sequence[Example], plan: Plan, watcher: Watcher, n_examples: int
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
    return explaining(load_named_model(settings, trial), settings)


def plan_of(
    settings: AuditSettings,
    model: AuditedModel,
    sites: Sequence[Site],
    checks: Sequence[Check],
    earlier: Manifest | None,
) -> Plan:
    """What is computed, in the portions of the audit that is gone on with, if one is."""
    if earlier is not None and settings.batch_size == "auto":
        limits = BatchLimits(earlier.plan.batch_examples, earlier.plan.batch_tokens)
    else:
        limits = model.batch_limits(settings.batch_size)
    before = Plan.shard_size if earlier is None else earlier.plan.shard_size
    return Plan(
        checks=tuple(checks),
        sites=tuple(sites),
        seed=settings.seed,
        limits=limits,
        shard_size=settings.shard_size or before,
        records_failures=settings.on_error == "record",
        no_texts=settings.no_texts,
    )


def _resumed(
    engine: Engine, store: Shards, shards: Iterable[Sequence[Example]]
) -> Iterator[RecordTables]:
    """What is new is kept before it is given; what was kept is not audited again."""
    kept, n_shards = set(store.finished()), 0
    waiting = deque[tuple[int, bytes]]()
    """Shards whose records were not given yet, and the hashes of their examples' ids."""

    def unfinished() -> Iterator[Sequence[Example]]:
        nonlocal n_shards
        for number, shard in enumerate(shards):
            n_shards = number + 1
            waiting.append((number, _hash(example.id for example in shard)))
            if number in kept:
                engine.skip(shard)
            else:
                yield shard

    def before_the_next() -> Iterator[RecordTables]:
        while waiting and waiting[0][0] in kept:
            number, ids = waiting.popleft()
            found = store.read(number)
            if _hash(found.records[ID.name].to_pylist()) != ids:
                problem = f"shard {number} is of other examples than the data now holds there"
                hint = "The data was changed since: name another --run-dir."
                raise RunDirectoryError(store.folder, problem, hint=hint)
            yield found

    for found in engine.audit(unfinished()):
        yield from before_the_next()
        store.write(waiting.popleft()[0], found)
        yield found
    yield from before_the_next()
    store.complete(n_shards)


def _hash(ids: Iterable[str]) -> bytes:
    return hashlib.sha256("\0".join(ids).encode()).digest()


LABELS = "each label"
"""What the stage is called."""

MOST_LABELS = 50
"""That are explained in turn: each is an audit of its own, which only the adversary is left out
of."""


def labels_of(model: AuditedModel, settings: AuditSettings) -> tuple[str, ...]:
    """The labels that are explained in turn; none unless that was asked for.

    Raises:
        ConfigurationError: There is one question alone, there are too many, or no check that the
            packaged rules read is run.
    """
    if settings.explain_label != EACH:
        return ()
    labels = model.task.labels
    if model.task.is_one_number:
        raise ConfigurationError(
            f"--explain-label {EACH}: the model gives one number, and what speaks for one label "
            "speaks as much against the other: all names are the same question",
            hint=f"Leave it out, or name one label: --explain-label {labels[-1]}.",
        )
    if len(labels) > MOST_LABELS:
        raise ConfigurationError(
            f"--explain-label {EACH}: the model has {count(len(labels))} labels, and each takes "
            f"about as long as an audit without the adversary; {MOST_LABELS} is the most",
            hint="Name the one that matters: --explain-label NAME.",
        )
    if not answered_by(settings):
        raise ConfigurationError(
            f"--explain-label {EACH}: what is told of each label is the answer of the packaged "
            "rules, and no check that they read is run",
            hint="Add them to --checks: correlation,attended,permutation.",
        )
    return labels


def answered_by(settings: AuditSettings) -> tuple[str, ...]:
    """The checks that the packaged rules read, of those that were asked for."""
    read = {bound.measured.check for bound in load_policy().bounds}
    return tuple(check for check in settings.checks if check in read)


def settings_for(label: str, report: Report, settings: AuditSettings) -> AuditSettings:
    """Those of the audit of a label, at the site that was audited."""
    layer = report.settings.layer
    assert layer is not None, "the rules that labels are answered by need attention"
    head, number = report.settings.head, report.model.labels.index(label)
    folder = (
        None
        if settings.run_dir is None
        else f"{settings.run_dir}/{run_directory.LABELS}/{number:03}"
    )
    return replace(
        settings,
        explain_label=label,
        checks=answered_by(settings),
        layer=layer,
        head="mean" if head is None else head,
        records=None,
        output=(),
        run_dir=folder,
    )


LONG = 60.0
"""Seconds from which on a slow check says before what it will take."""


def _median(sample: Sequence[EncodedExample]) -> EncodedExample:
    """A text of median length."""
    n_units = median_low([item.n_units for item in sample])
    return next(item for item in sample if item.n_units == n_units)


def cost_ahead(
    plan: Plan, sample: Sequence[EncodedExample], n_examples: int, seconds_of_pass: float | None
) -> str:
    """Passes of a text of median length, and the time of all."""
    sites = list(dict.fromkeys(plan.sites))
    median, first = _median(sample), measured_by(plan.checks)
    each = [passes_of(check, first[check.id], median, sites) for check in plan.checks]
    passes = sum(audited + (len(sites) - 1) * beside for audited, beside in each)
    said = f"{count(len(sites))} sites: about {count(passes)} passes a text"
    if seconds_of_pass is None:
        return said
    seconds = duration(passes * n_examples * seconds_of_pass)
    return f"{said}, up to about {seconds} for {counted(n_examples, 'text')}"
