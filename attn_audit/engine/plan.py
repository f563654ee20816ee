"""The use case: what an audit will take, from a few timed batches, scaled by passes."""

import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.base import AuditedBatch, Check, Columns
from attn_audit.checks.erasure import Erasure
from attn_audit.checks.registry import applying, measured_by, passes_of, select_sites
from attn_audit.data.example import sample_examples
from attn_audit.data.skipped_rows import quoting_no_text
from attn_audit.engine import sampling
from attn_audit.engine.audit import LABELS, answered_by, labels_of
from attn_audit.engine.in_process import Plan, RecordTables, audit_batch, batches_of
from attn_audit.engine.inputs import AuditedData, Item, LoadModel
from attn_audit.engine.report import sum_up
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.findings.adversarial import METHOD
from attn_audit.measures.head_mix import Mixes
from attn_audit.models.contract import AuditedModel, EncodedExample
from attn_audit.models.self_check import self_check
from attn_audit.process import full_precision, restart_peak, used_memory
from attn_audit.progress import READING
from attn_audit.results.answers import Forecast, StageForecast
from attn_audit.results.report import Subject
from attn_audit.settings import AuditSettings
from attn_audit.statistics.intervals import LARGEST_BOOTSTRAP_N
from attn_audit.statistics.rankings import MAX_UNITS_OF_TABLE

START_UP, SUMMING_UP = "start-up", "summing up"

PART, SECONDS, MOMENT = 0.1, 30.0, 0.3
"""What the trial may take: that part of what is forecast, no longer than that, and a moment."""

STEPS = (5, 25)
"""Of a search, which is tried twice: its other steps take as long each."""

N_SUMMED_UP = (20, 200)
"""Examples on which summing up is timed; from the first on it grows evenly with their number."""


@quoting_no_text
def forecast_audit(
    settings: AuditSettings, *, load: LoadModel | None = None, items: Iterable[Item] | None = None
) -> Forecast:
    """Say what an audit will take, without carrying it out: of what `run_audit` would be given."""
    start = time.perf_counter()
    with full_precision(settings.threads):
        data = AuditedData.of(settings, items)
        model, trial = data.load_model(settings, load)
        settings = applying(settings, model)
        labels = labels_of(model, settings)
        data = data.checked(model, settings)
        sites = select_sites(sampling.with_layer(settings, None), model)
        self_checks = self_check(model, model.encode(trial), sites[0])
        limits = model.batch_limits(settings.batch_size)
        plan = Plan(sampling.checks_of(settings, model, data), sites, settings.seed, limits)
        subject = data.subject(model, settings, plan.checks, sites[0], self_checks)
        size = min(Plan.shard_size, settings.limit or Plan.shard_size)
        sample = sample_examples(data.examples(), size, settings.seed)
        n_examples = min(data.n_examples, settings.limit or sys.maxsize)
        of_fit, mixes = _fitting(model, data, settings, plan)
        plan = replace(plan, mixes=mixes)
        begun = time.perf_counter()
        encoded = model.encode(sample)
        scale = n_examples / len(encoded)
        encoding = (time.perf_counter() - begun) * scale
        trials = _Trials(model, plan, encoded, scale)
        trials.run()
        stages = (
            _forecast(START_UP, begun - start + encoding, None, used_memory(model.device.type)),
            *_leverage(model, data, settings),
            *of_fit,
            *trials.stages(),
            _summing_up(subject, settings, trials.found, n_examples),
        )
        stages += _labels(len(labels), stages, settings)
    return Forecast(
        model=settings.model or "",
        data=settings.data_in_words,
        device=model.device.type,
        n_examples=n_examples,
        n_tokens=round(sum(item.n_tokens for item in encoded) * scale),
        longest=max(item.n_tokens for item in encoded),
        batch_examples=max(len(batch) for batch in trials.batches),
        batch_tokens=max(map(_n_tokens, trials.batches)),
        stages=stages,
        seconds=sum(stage.seconds for stage in stages),
        n_timed=trials.n_timed,
        seconds_of_trial=trials.seconds,
    )


def _labels(
    n_labels: int, stages: Sequence[StageForecast], settings: AuditSettings
) -> tuple[StageForecast, ...]:
    """Of all labels together: what reads, measures and sums up for an answer, again for each."""
    if not n_labels:
        return ()
    names = {sampling.LEVERAGE, READING, SUMMING_UP, *answered_by(settings)}
    again = [stage for stage in stages if stage.name in names]
    passes, seconds = (sum(s.passes or 0 for s in again), sum(s.seconds for s in again))
    return (_forecast(LABELS, n_labels * seconds, n_labels * passes),)


N_LEVERAGE = (1, 4)
"""Texts on which leverage is timed: the first call tries out how each layer is replayed."""


def _leverage(
    model: AuditedModel, data: AuditedData, settings: AuditSettings
) -> Iterator[StageForecast]:
    """Of models with several layers: what trying them out takes, and then each text.

    Where reach chooses one, that too, by the fewest units among these texts.
    """
    if len(model.layers) < 2:
        return
    texts = sampling.texts_of(model, data, settings)
    sizes = (N_LEVERAGE[0], *N_LEVERAGE)
    spent = (_seconds_of_leverage(model, texts[:n]) for n in sizes)
    first, few, more = (seconds[sampling.LEVERAGE] for seconds in spent)
    per_text = max(0.0, more - few) / (N_LEVERAGE[1] - N_LEVERAGE[0])
    seconds = first + per_text * (len(texts) - N_LEVERAGE[0])
    yield _forecast(sampling.LEVERAGE, seconds, sampling.leverage_passes(model) * len(texts))
    if settings.layer != "best" or not texts:
        return
    reached = sampling.texts_of_reach(texts)
    fewest, n_units = min(item.n_units for item in reached), sum(item.n_units for item in reached)
    tried = [next(item for item in reached if item.n_units == fewest)]
    seconds_of_one = _seconds_of_leverage(model, tried, has_reach=True).get(sampling.REACH)
    if seconds_of_one is not None:
        yield _forecast(
            sampling.REACH, seconds_of_one * n_units / fewest, len(model.layers) * n_units
        )


def _seconds_of_leverage(
    model: AuditedModel, texts: Sequence[EncodedExample], *, has_reach: bool = False
) -> dict[str, float]:
    stopwatch = Stopwatch()
    sampling.leverage_by_layer(model, texts, stopwatch, has_reach=has_reach)
    return stopwatch.seconds


N_FITTED = 4
"""Texts that a mix is fitted to for a trial."""


def _fitting(
    model: AuditedModel, data: AuditedData, settings: AuditSettings, plan: Plan
) -> tuple[list[StageForecast], Mixes | None]:
    """Where heads are mixed: by the tokens of a few texts, with the mix of these."""
    if not sampling.is_fitted_for(plan.checks):
        return [], None
    fitting = sampling.texts_to_fit(model, data, settings)
    some = sorted(fitting, key=lambda item: item.n_tokens)[:: max(1, len(fitting) // N_FITTED)]
    begun = time.perf_counter()
    mixes = sampling.fit_mixes(model, some, settings.seed)
    spent = time.perf_counter() - begun
    work, tried = (sum(item.n_tokens for item in each) for each in (fitting, some))
    stage = _forecast(
        sampling.FITTING, spent * work / max(1, tried), sampling.PASSES * len(fitting)
    )
    return [stage], mixes


TRIALS = ((4, 0.5), (16, 0.2), (16, 0.8), (64, 0.5), (256, 0.2), (256, 0.8), (1024, 0.5))
"""How many examples are tried together, and how far from the shortest to the longest they are."""


@dataclass
class _StageMeasurements:
    """What was measured of one stage."""

    works: list[float] = field(default_factory=list)
    """Of each trial: the tokens that passed through the model, over all outputs."""
    seconds: list[float] = field(default_factory=list)
    n_bytes: int = 0
    """Memory that the last trial needed beside the model."""

    def add(self, work: float, seconds: float) -> None:
        """Note a trial."""
        self.works.append(work)
        self.seconds.append(seconds)

    def forecast(self, n_batches: int, work: float) -> float:
        """Seconds of batches that were not tried: a line through those that were."""
        works, seconds = np.array(self.works), np.array(self.seconds)
        if len(set(self.works)) > 1:
            # Relative errors count: few examples say as much as many.
            slope, at_zero = np.polyfit(works, seconds, 1, w=1 / np.maximum(seconds, 1e-9))
            if slope > 0 and at_zero >= 0:
                return float(at_zero * n_batches + slope * work)
        return float(seconds.sum() / works.sum() * work)


@dataclass
class _Watch(Stopwatch):
    """Notes what memory each stage needs, too."""

    device: str = "cpu"
    n_bytes: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def measure(self, name: str, batch: Sequence[EncodedExample] = ()) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        before = used_memory(self.device) or 0
        restart_peak(self.device)
        with super().measure(name, batch):
            yield
        self.n_bytes[name] = max(0, (used_memory(self.device, peak=True) or 0) - before)


class _Trials:
    """Batches that are audited as the audit will, first of few examples and then of more."""

    def __init__(
        self, model: AuditedModel, plan: Plan, encoded: Sequence[EncodedExample], scale: float
    ) -> None:
        """With `scale` examples of the audit for each of these."""
        self._model, self._plan, self._encoded, self._scale = model, plan, encoded, scale
        order = batches_of(model, encoded, plan.sites, plan.limits)
        self.batches = [[encoded[i] for i in indices] for indices in order]
        self._timed = {
            name: _StageMeasurements() for name in (READING, *(c.id for c in plan.checks))
        }
        self._whole = _StageMeasurements()
        self._measured_by = measured_by(plan.checks)
        self._base = used_memory(model.device.type)
        self._tokens = 1
        """Of the last trial."""
        self.found: list[RecordTables] = []
        self._sets: list[tuple[int, int]] = []
        """Of erasure in each long text that was tried: those left out, and `n_sets` of them."""
        self.n_timed, self.seconds = 0, 0.0

    def run(self) -> None:
        """Try batches until one more would take too long."""
        begun = time.perf_counter()
        first = self.batches[0]
        self._measure([_tried(check, 1, first) for check in self._plan.checks], first[:1])
        for size, place in TRIALS:
            whole = self.batches[int(place * len(self.batches))]
            start = int(place * max(0, len(whole) - size))
            batch = whole[start : start + size]
            if self.n_timed:
                spent = time.perf_counter() - begun
                expected = sum(stage.seconds for stage in self.stages())
                allowed = max(MOMENT, min(SECONDS, PART * expected))
                if spent + self._whole.forecast(1, float(_n_tokens(batch))) > allowed:
                    break
            self._try(batch)
        self.seconds = time.perf_counter() - begun

    def stages(self) -> list[StageForecast]:
        """What reading and every check will take of all examples."""
        work = float(sum(item.n_tokens for item in self._encoded))
        reading = self._timed[READING].forecast(len(self.batches), work) * self._scale
        n_examples = round(len(self._encoded) * self._scale)
        return [_forecast(READING, reading, n_examples), *map(self._stage, self._plan.checks)]

    def _stage(self, check: Check) -> StageForecast:
        timed, scale = self._timed[check.id], self._scale
        if isinstance(check, Erasure) and check.sample is not None:  # it is run on some alone
            n_here = sum(item.example.id in check.sample for item in self._encoded)
            scale = len(check.sample) / max(1, n_here)
        passes = sum(self._passes(check, item) for item in self._encoded)
        seconds = timed.forecast(len(self.batches), self._work(check, self._encoded))
        # Of one computation: what does not fit is done in portions.
        most = max(timed.n_bytes, self._model.capacity.memory)
        largest = max(map(_n_tokens, self.batches))
        n_bytes = min(timed.n_bytes * max(1.0, largest / self._tokens), most)
        peak = None if self._base is None else self._base + round(n_bytes)
        return _forecast(check.id, seconds * scale, round(passes * scale), peak)

    def _passes(self, check: Check, item: EncodedExample) -> int:
        """Of one example, at all sites: importance is measured once for all of them."""
        if isinstance(check, Erasure):
            return check.passes_of(item, self._share_of_sets)
        sites = list(dict.fromkeys(self._plan.sites))
        audited, beside = passes_of(check, self._measured_by[check.id], item, sites)
        if isinstance(check, Adversarial) and _is_exact(self.found[-1]):
            audited = beside = 2
        return audited + (len(sites) - 1) * beside

    @property
    def _share_of_sets(self) -> float:
        """Of the sets that rankings would ask for, those that are run: they share some."""
        if not self._sets:
            return 1.0
        return sum(n_run for n_run, _ in self._sets) / sum(n_asked for _, n_asked in self._sets)

    def _work(self, check: Check, batch: Sequence[EncodedExample]) -> float:
        """At least that of a pass: a check without any takes its time as well."""
        return float(sum(max(1, self._passes(check, item)) * item.n_tokens for item in batch))

    def _try(self, batch: Sequence[EncodedExample]) -> None:
        self.n_timed += len(batch)
        begun = time.perf_counter()
        tried = [_tried(check, STEPS[0], batch) for check in self._plan.checks]
        few = self._measure(tried, batch)
        self._tokens = _n_tokens(batch)
        n_tokens = float(sum(item.n_tokens for item in batch))
        self._timed[READING].add(n_tokens, few.seconds[READING])
        for check, of_trial in zip(self._plan.checks, tried, strict=True):
            timed, seconds = self._timed[check.id], few.seconds[check.id]
            timed.n_bytes = few.n_bytes[check.id]
            if isinstance(of_trial, _CountingErasure) and batch[0].n_units > MAX_UNITS_OF_TABLE:
                n_asked = of_trial.n_sets(batch[0].n_units)
                self._sets += [(n_run, n_asked) for n_run in of_trial.n_run]
            n_steps = check.n_iterations if isinstance(check, Adversarial) else 0
            if n_steps > STEPS[1] and not _is_exact(self.found[-1]):
                more = self._measure([_tried(check, STEPS[1], batch)], batch).seconds[check.id]
                per_step = max(0.0, more - seconds) / (STEPS[1] - STEPS[0])
                seconds += per_step * (n_steps - STEPS[0])
            timed.add(self._work(of_trial if isinstance(check, Erasure) else check, batch), seconds)
        self._whole.add(float(_n_tokens(batch)), time.perf_counter() - begun)

    def _measure(self, checks: Sequence[Check], batch: Sequence[EncodedExample]) -> _Watch:
        """Seconds and memory of checks, and of reading; what is found is noted."""
        watch = _Watch(device=self._model.device.type)
        plan = replace(self._plan, checks=tuple(checks))
        self.found.append(audit_batch(self._model, batch, plan, watch))
        return watch


def _is_exact(found: RecordTables) -> bool:
    return bool(found.records[METHOD.name][-1].as_py() == "exact")


@dataclass(frozen=True)
class _CountingErasure(Erasure):
    """Notes how many sets of units it leaves out."""

    n_run: list[int] = field(default_factory=list, compare=False)

    def run(self, audited: AuditedBatch) -> Columns:
        columns, n_run = self.measured(audited)
        self.n_run.append(n_run)
        return columns


def _tried(check: Check, n_steps: int, batch: Sequence[EncodedExample]) -> Check:
    """As it is tried: a search with a few steps, erasure on the first of the texts."""
    match check:
        case Adversarial():
            return replace(check, n_iterations=min(n_steps, check.n_iterations))
        case Erasure():
            first = frozenset([batch[0].example.id])
            return _CountingErasure(check.measures, first, recorded=check.recorded)
        case _:
            return check


def _n_tokens(batch: Sequence[EncodedExample]) -> int:
    return len(batch) * max(item.n_tokens for item in batch)


def _forecast(
    name: str, seconds: float, passes: int | None = None, peak_bytes: int | None = None
) -> StageForecast:
    return StageForecast(name=name, passes=passes, seconds=seconds, peak_bytes=peak_bytes)


def _summing_up(
    subject: Subject, settings: AuditSettings, found: Sequence[RecordTables], n_examples: int
) -> StageForecast:
    """From few examples and from more, in a straight line: the tried ones, again and again."""
    records = pa.concat_tables(some.records for some in found)
    of_sites = [some.sites for some in found if some.sites is not None]
    sites = pa.concat_tables(of_sites) if of_sites else None

    def timed(size: int) -> float:
        chosen = np.arange(size) % len(records)
        some = RecordTables(records.take(chosen))
        if sites is not None:
            of_each = np.arange(len(sites) // len(records))
            rows = chosen[:, None] * len(of_each) + of_each
            some = RecordTables(some.records, sites.take(rows.ravel()))
        with tempfile.TemporaryDirectory(prefix="attn-audit-") as folder:
            file = str(Path(folder) / "records.parquet") if settings.records else None
            start = time.perf_counter()
            sum_up(subject, [some], file)
            return time.perf_counter() - start

    timed(1)  # what only happens once
    few, more = N_SUMMED_UP
    seconds = timed(few)
    step = max(0.0, timed(more) - seconds) / (more - few)
    seconds += step * max(0, min(n_examples, LARGEST_BOOTSTRAP_N) - few)
    return _forecast(SUMMING_UP, seconds)
