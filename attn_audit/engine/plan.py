"""The use case: what an audit will take, from a few timed batches, scaled by passes."""

import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeGuard

import numpy as np
import pyarrow as pa

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.base import AuditedBatch, Check, Columns
from attn_audit.checks.erasure import Erasure
from attn_audit.checks.registry import applying, measured_by, measures_of, passes_of, select_sites
from attn_audit.data.example import sample_examples
from attn_audit.engine.audit import LABELS, answered_by, labels_of
from attn_audit.engine.in_process import SHARD_SIZE, Found, Plan, audit_batch, batches_of
from attn_audit.engine.inputs import AuditedData, Item, LoadModel, describe_settings, describe_tool
from attn_audit.engine.leverage import (
    LEVERAGE,
    N_TEXTS,
    REACH,
    leverage_by_layer,
    leverage_passes,
    texts_of_reach,
    with_layer,
)
from attn_audit.engine.report import RecordsPaths, sum_up
from attn_audit.engine.sampling import (
    FITTING,
    PASSES,
    checks_of,
    encoded_of,
    fit_mixes,
    is_fitted_for,
    texts_to_fit,
)
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.findings.adversarial import METHOD
from attn_audit.measures.head_mix import Mixes
from attn_audit.models.contract import AuditedModel, Encoded
from attn_audit.models.self_check import self_check
from attn_audit.process import full_precision, restart_peak, used_memory
from attn_audit.progress import READING
from attn_audit.results.answers import Forecast, StageForecast
from attn_audit.results.report import Subject
from attn_audit.settings import AuditSettings
from attn_audit.statistics.erasure import MAX_UNITS_OF_TABLE
from attn_audit.statistics.intervals import LARGEST_BOOTSTRAP_N

START_UP, SUMMING_UP = "start-up", "summing up"

PART, SECONDS, MOMENT = 0.1, 30.0, 0.3
"""What the trial may take: that part of what is forecast, no longer than that, and a moment."""

STEPS = (5, 25)
"""Of a search, which is tried twice: its other steps take as long each."""

N_SUMMED_UP = (20, 200)
"""Examples on which summing up is timed; from the first on it grows evenly with their number."""


def forecast_audit(
    settings: AuditSettings, *, load: LoadModel | None = None, items: Iterable[Item] | None = None
) -> Forecast:
    """Say what an audit will take, without carrying it out: of what `run_audit` would be given.

    Raises:
        UsageError: Model, data or settings cannot be used.
        AuditFailedError: The model fails the self-check, or its outputs are not numbers.
    """
    start = time.perf_counter()
    with full_precision(settings.threads):
        data = AuditedData.of(settings, items)
        model, trial = data.load_model(settings, load)
        settings = applying(settings, model)
        labels = labels_of(model, settings)
        data = data.checked(model, settings)
        sites = select_sites(with_layer(settings, None), model)
        self_checks = self_check(model, model.encode(trial), sites[0])
        limits = model.batch_limits(settings.batch_size)
        plan = Plan(checks_of(settings, model, data), sites, settings.seed, limits)
        subject = Subject(
            tool=describe_tool(),
            model=model.describe(),
            data=data.describe(settings),
            settings=describe_settings(settings, plan.checks, sites[0], model),
            self_checks=tuple(self_checks),
        )
        size = min(SHARD_SIZE, settings.limit or SHARD_SIZE)
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
            StageForecast(
                name=START_UP,
                passes=None,
                seconds=begun - start + encoding,
                peak_bytes=used_memory(model.device.type),
            ),
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
    names = {LEVERAGE, READING, SUMMING_UP, *answered_by(settings)}
    again = [stage for stage in stages if stage.name in names]
    found = StageForecast(
        name=LABELS,
        passes=n_labels * sum(stage.passes or 0 for stage in again),
        seconds=n_labels * sum(stage.seconds for stage in again),
        peak_bytes=None,
    )
    return (found,)


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
    texts = encoded_of(model, data.sampled_for_layers(N_TEXTS, settings.seed))
    first, few, more = (
        _seconds_of_leverage(model, texts[:n])[LEVERAGE] for n in (N_LEVERAGE[0], *N_LEVERAGE)
    )
    per_text = max(0.0, more - few) / (N_LEVERAGE[1] - N_LEVERAGE[0])
    yield StageForecast(
        name=LEVERAGE,
        passes=leverage_passes(model) * len(texts),
        seconds=first + per_text * (len(texts) - N_LEVERAGE[0]),
        peak_bytes=None,
    )
    if settings.layer != "best" or not texts:
        return
    reached = texts_of_reach(texts)
    fewest, n_units = min(item.n_units for item in reached), sum(item.n_units for item in reached)
    tried = [next(item for item in reached if item.n_units == fewest)]
    seconds = _seconds_of_leverage(model, tried, has_reach=True).get(REACH)
    if seconds is None:
        return
    yield StageForecast(
        name=REACH,
        passes=len(model.layers) * n_units,
        seconds=seconds * n_units / fewest,
        peak_bytes=None,
    )


def _seconds_of_leverage(
    model: AuditedModel, texts: Sequence[Encoded], *, has_reach: bool = False
) -> dict[str, float]:
    stopwatch = Stopwatch()
    leverage_by_layer(model, texts, stopwatch, has_reach=has_reach)
    return stopwatch.seconds


N_FITTED = 4
"""Texts that a mix is fitted to for a trial."""


def _fitting(
    model: AuditedModel, data: AuditedData, settings: AuditSettings, plan: Plan
) -> tuple[list[StageForecast], Mixes | None]:
    """Where heads are mixed: by the tokens of a few texts, with the mix of these."""
    if not is_fitted_for(plan.checks):
        return [], None
    fitting = texts_to_fit(model, data, settings)
    some = sorted(fitting, key=lambda item: item.n_tokens)[:: max(1, len(fitting) // N_FITTED)]
    begun = time.perf_counter()
    mixes = fit_mixes(model, some, settings.seed)
    spent = time.perf_counter() - begun
    work, tried = (sum(item.n_tokens for item in each) for each in (fitting, some))
    stage = StageForecast(
        name=FITTING,
        passes=PASSES * len(fitting),
        seconds=spent * work / max(1, tried),
        peak_bytes=None,
    )
    return [stage], mixes


TRIALS = ((4, 0.5), (16, 0.2), (16, 0.8), (64, 0.5), (256, 0.2), (256, 0.8), (1024, 0.5))
"""How many examples are tried together, and how far from the shortest to the longest they are."""


@dataclass
class _Timed:
    """What was measured of one stage."""

    works: list[float] = field(default_factory=list)
    """Of each trial: the tokens that passed through the model, over all outputs."""
    seconds: list[float] = field(default_factory=list)
    n_bytes: int = 0
    """Memory that the last trial needed beside the model."""
    tokens: int = 1
    """Of that trial."""

    def per_batch_and_work(self) -> tuple[float, float]:
        """Seconds that each batch takes, and each token of it: a line through the trials."""
        works, seconds = np.array(self.works), np.array(self.seconds)
        if len(set(works)) > 1:
            # Relative errors count: few examples say as much as many.
            slope, at_zero = np.polyfit(works, seconds, 1, w=1 / np.maximum(seconds, 1e-9))
            if slope > 0 and at_zero >= 0:
                return float(at_zero), float(slope)
        return 0.0, float(seconds.sum() / works.sum())

    def forecast(self, n_batches: int, work: float) -> float:
        """Seconds of batches that were not tried."""
        per_batch, per_work = self.per_batch_and_work()
        return per_batch * n_batches + per_work * work


class _Trials:
    """Batches that are audited as the audit will, first of few examples and then of more."""

    def __init__(
        self, model: AuditedModel, plan: Plan, encoded: Sequence[Encoded], scale: float
    ) -> None:
        """With `scale` examples of the audit for each of these."""
        self._model, self._plan, self._encoded, self._scale = model, plan, encoded, scale
        order = batches_of(model, encoded, plan.sites, plan.limits)
        self.batches = [[encoded[i] for i in indices] for indices in order]
        self._timed = {name: _Timed() for name in (READING, *(c.id for c in plan.checks))}
        self._whole = _Timed()
        self._measured_by = measured_by(plan.checks)
        self._base = used_memory(model.device.type)
        self.found: list[Found] = []
        self._sets: list[tuple[int, int]] = []
        """Of erasure in each long text that was tried: those left out, and `n_sets` of them."""
        self.n_timed, self.seconds = 0, 0.0

    def run(self) -> None:
        """Try batches until one more would take too long."""
        begun = time.perf_counter()
        for check in self._plan.checks:  # what only happens once
            self._measure(_tried(check, 1, self.batches[0]), self.batches[0][:1])
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
        return [self._reading(), *map(self._stage, self._plan.checks)]

    def _reading(self) -> StageForecast:
        work = float(sum(item.n_tokens for item in self._encoded))
        return StageForecast(
            name=READING,
            passes=round(len(self._encoded) * self._scale),
            seconds=self._timed[READING].forecast(len(self.batches), work) * self._scale,
            peak_bytes=None,
        )

    def _stage(self, check: Check) -> StageForecast:
        timed, largest = self._timed[check.id], max(map(_n_tokens, self.batches))
        passes = sum(self._passes(check, item) for item in self._encoded)
        seconds = timed.forecast(len(self.batches), self._work(check, self._encoded))
        # Of one computation: what does not fit is done in portions.
        most = max(timed.n_bytes, self._model.capacity.memory)
        n_bytes = min(timed.n_bytes * max(1.0, largest / timed.tokens), most)
        peak = None if self._base is None else self._base + round(n_bytes)
        scale = self._scale_of(check)
        return StageForecast(
            name=check.id, passes=round(passes * scale), seconds=seconds * scale, peak_bytes=peak
        )

    def _scale_of(self, check: Check) -> float:
        """Examples that the check is run on, for each of those that are here."""
        if not isinstance(check, Erasure) or check.sample is None:
            return self._scale
        n_here = sum(item.example.id in check.sample for item in self._encoded)
        return len(check.sample) / max(1, n_here)

    def _passes(self, check: Check, item: Encoded) -> int:
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

    def _work(self, check: Check, batch: Sequence[Encoded]) -> float:
        """At least that of a pass: a check without any takes its time as well."""
        return float(sum(max(1, self._passes(check, item)) * item.n_tokens for item in batch))

    def _try(self, batch: Sequence[Encoded]) -> None:
        self.n_timed += len(batch)
        begun, reading = time.perf_counter(), 0.0
        for check in self._plan.checks:
            tried = _tried(check, STEPS[0], batch)
            few = self._measure(tried, batch)
            if isinstance(tried, _Counted) and batch[0].n_units > MAX_UNITS_OF_TABLE:
                self._sets += [(n_run, tried.n_sets(batch[0].n_units)) for n_run in tried.n_run]
            seconds, reading = few[check.id], few[READING]
            if _is_search(check, self.found[-1]):
                more = self._measure(_tried(check, STEPS[1], batch), batch)
                per_step = max(0.0, more[check.id] - seconds) / (STEPS[1] - STEPS[0])
                seconds += per_step * (check.n_iterations - STEPS[0])
            work = self._work(tried if isinstance(tried, Erasure) else check, batch)
            self._timed[check.id].works.append(work)
            self._timed[check.id].seconds.append(seconds)
        self._timed[READING].works.append(sum(item.n_tokens for item in batch))
        self._timed[READING].seconds.append(reading)
        self._whole.works.append(_n_tokens(batch))
        self._whole.seconds.append(time.perf_counter() - begun)

    def _measure(self, check: Check, batch: Sequence[Encoded]) -> dict[str, float]:
        """Seconds of a check, and of reading; its memory and what is found are noted."""
        device, stopwatch = self._model.device.type, Stopwatch()
        before = used_memory(device) or 0
        restart_peak(device)
        plan = replace(self._plan, checks=(*self._measuring_for(check), check))
        self.found.append(audit_batch(self._model, batch, plan, stopwatch))
        peak = used_memory(device, peak=True) or 0
        self._timed[check.id].n_bytes = max(0, peak - before)
        self._timed[check.id].tokens = _n_tokens(batch)
        return stopwatch.seconds

    def _measuring_for(self, check: Check) -> list[Check]:
        """Those before it that measure importance for it, so that it is timed without."""
        reads = set(measures_of(check)) - {found.name for found in self._measured_by[check.id]}
        return [
            earlier
            for earlier in self._plan.checks
            if reads & {found.name for found in self._measured_by[earlier.id]}
        ]


def _is_exact(found: Found) -> bool:
    return bool(found.records[METHOD.name][-1].as_py() == "exact")


def _is_search(check: Check, found: Found) -> TypeGuard[Adversarial]:
    """Whether more of its steps have to be timed."""
    if not isinstance(check, Adversarial) or _is_exact(found):
        return False
    return check.n_iterations > STEPS[1]


@dataclass(frozen=True)
class _Counted(Erasure):
    """Notes how many sets of units it leaves out."""

    n_run: list[int] = field(default_factory=list, compare=False)

    def run(self, audited: AuditedBatch) -> Columns:
        columns, n_run = self.measured(audited)
        self.n_run.append(n_run)
        return columns


def _tried(check: Check, n_steps: int, batch: Sequence[Encoded]) -> Check:
    """As it is tried: a search with a few steps, erasure on the first of the texts."""
    match check:
        case Adversarial():
            return replace(check, n_iterations=min(n_steps, check.n_iterations))
        case Erasure():
            first = frozenset([batch[0].example.id])
            return _Counted(check.measures, first, recorded=check.recorded)
        case _:
            return check


def _n_tokens(batch: Sequence[Encoded]) -> int:
    return len(batch) * max(item.n_tokens for item in batch)


def _summing_up(
    subject: Subject, settings: AuditSettings, found: Sequence[Found], n_examples: int
) -> StageForecast:
    """From few examples and from more, in a straight line: the tried ones, again and again."""
    records = pa.concat_tables(some.records for some in found)
    of_sites = [some.sites for some in found if some.sites is not None]
    sites = pa.concat_tables(of_sites) if of_sites else None

    def timed(size: int) -> float:
        chosen = np.arange(size) % len(records)
        some = Found(records.take(chosen))
        if sites is not None:
            of_each = np.arange(len(sites) // len(records))
            rows = chosen[:, None] * len(of_each) + of_each
            some = Found(some.records, sites.take(rows.ravel()))
        with tempfile.TemporaryDirectory(prefix="attn-audit-") as folder:
            file = str(Path(folder) / "records.parquet") if settings.records else None
            paths = RecordsPaths.of(file, has_several_sites=sites is not None)
            start = time.perf_counter()
            sum_up(subject, [some], paths)
            return time.perf_counter() - start

    timed(1)  # what only happens once
    few, more = N_SUMMED_UP
    seconds = timed(few)
    step = max(0.0, timed(more) - seconds) / (more - few)
    seconds += step * max(0, min(n_examples, LARGEST_BOOTSTRAP_N) - few)
    return StageForecast(name=SUMMING_UP, passes=None, seconds=seconds, peak_bytes=None)
