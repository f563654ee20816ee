"""The use case: what an audit will take, from the lengths of its data and a few timed batches."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from attn_audit.auditing import expect_afterwards
from attn_audit.checks.selection import make_checks, select_sites
from attn_audit.data.batching import length_batches
from attn_audit.data.example import Example
from attn_audit.data.reading import sample_examples
from attn_audit.engine.arithmetic import full_precision
from attn_audit.engine.batch import READING, Finding, records_of
from attn_audit.engine.batch_limits import batch_limits
from attn_audit.engine.cost import Shape
from attn_audit.engine.first_look import first_look
from attn_audit.engine.memory import restart_peak, used_memory
from attn_audit.engine.outlook import Outlook
from attn_audit.engine.passes import count_passes
from attn_audit.engine.plan import SHARD_SIZE, Plan
from attn_audit.engine.probing import probe
from attn_audit.inputs import AuditedData
from attn_audit.models.base import AuditedModel, Encoded
from attn_audit.models.self_check import self_check
from attn_audit.reporting.forecasting import time_summing_up
from attn_audit.reporting.provenance import describe_settings, describe_tool
from attn_audit.results.forecast import Forecast, StageForecast
from attn_audit.results.subject import Subject
from attn_audit.settings import AuditSettings

SUMMING_UP = "summing up"

N_PROBES = 4
"""Batches that are tried, from short to long."""


def forecast_audit(settings: AuditSettings) -> Forecast:
    """Say what an audit will take, without carrying it out.

    Args:
        settings: Checked settings.

    Raises:
        UsageError: Model, data or settings cannot be used.
        AuditFailedError: The model fails the self-check, or its outputs are not numbers.
    """
    start = time.perf_counter()
    with full_precision(settings.threads):
        trial, data = AuditedData.of(settings).take_trial()
        model, trial = data.load_model(settings, trial)
        sites = select_sites(settings, model)
        self_checks = self_check(model, model.encode(trial), sites[0])
        start_up = time.perf_counter() - start
        limits = batch_limits(model, settings.batch_size)
        plan = Plan(make_checks(settings, model), sites, settings.seed, limits)
        subject = Subject(
            tool=describe_tool(),
            model=model.describe(),
            data=data.describe(settings),
            settings=describe_settings(settings, plan.checks, sites[0], model),
            self_checks=tuple(self_checks),
        )
        split = _Split.of(model, data, settings)
        start_up += split.seconds + _first_look(model, plan, split, settings, subject)
        return _forecast(model, plan, split, settings, start_up, subject)


@dataclass(frozen=True)
class _Split:
    """The data, as far as it was encoded."""

    encoded: list[Encoded]
    n_examples: int
    seconds: float
    """Reading and encoding all of it."""

    @staticmethod
    def of(model: AuditedModel, data: AuditedData, settings: AuditSettings) -> "_Split":
        start, counted = time.perf_counter(), _Counted(data.examples)
        size = min(SHARD_SIZE, settings.limit or SHARD_SIZE)
        sample = sample_examples(counted, size, settings.seed)
        n_examples = min(counted.n, settings.limit or counted.n)
        read = time.perf_counter()
        encoded = model.encode(sample)
        encoding = (time.perf_counter() - read) * n_examples / len(encoded)
        return _Split(encoded, n_examples, read - start + encoding)


class _Counted:
    def __init__(self, examples: Iterable[Example]) -> None:
        self._examples, self.n = examples, 0

    def __iter__(self) -> Iterator[Example]:
        for example in self._examples:
            self.n += 1
            yield example


def _first_look(
    model: AuditedModel, plan: Plan, split: _Split, settings: AuditSettings, subject: Subject
) -> float:
    """Seconds of what an audit tries before its first batch, and of what only happens once."""
    start = time.perf_counter()
    outlook = Outlook(plan, [len(item.example.text) for item in split.encoded])
    outlook.begin(split.encoded)
    found = first_look(model, plan, split.encoded, outlook)
    if found:
        expect_afterwards(subject, split.n_examples, settings.records is not None, found)
    return time.perf_counter() - start


def _forecast(
    model: AuditedModel,
    plan: Plan,
    split: _Split,
    settings: AuditSettings,
    start_up: float,
    subject: Subject,
) -> Forecast:
    encoded, limits = split.encoded, plan.limits
    order = length_batches([e.n_tokens for e in encoded], limits.n_examples, limits.n_tokens)
    batches = [[encoded[i] for i in indices] for indices in order]
    places = {round(i * (len(batches) - 1) / (N_PROBES - 1)) for i in range(N_PROBES)}
    start = time.perf_counter()
    trials, tried = probe(model, plan, [batches[i] for i in sorted(places)])
    spent, scale = time.perf_counter() - start, split.n_examples / len(encoded)
    shapes = [Shape.of(item.n_tokens for item in batch) for batch in batches]
    whole, largest = sum(shapes, start=Shape()), max(shapes, key=lambda shape: shape.tokens)
    base = used_memory(model.device.type)
    n_units = [item.n_units for item in encoded]
    stages = [StageForecast(name="start-up", passes=None, seconds=start_up, peak_bytes=base)]
    passes = {READING: len(encoded)}
    for check in plan.checks:
        passes[check.id] = count_passes(check, n_units, len(plan.sites), tried[-1].record)
    for name, found in trials.items():
        n_bytes = None if base is None else base + found.memory(largest)
        stages.append(
            StageForecast(
                name=name,
                passes=round(passes[name] * scale),
                seconds=found.forecast(whole) * scale,
                peak_bytes=n_bytes if name != READING else None,
            )
        )
    stages.append(_summing_up(subject, settings, tried, split.n_examples, model.device.type))
    return Forecast(
        model=settings.model or "",
        data=settings.data or "",
        device=model.device.type,
        n_examples=split.n_examples,
        n_tokens=round(sum(item.n_tokens for item in encoded) * scale),
        longest=max(item.n_tokens for item in encoded),
        batch_examples=max(len(batch) for batch in batches),
        batch_tokens=largest.tokens,
        stages=tuple(stages),
        seconds=sum(stage.seconds for stage in stages),
        n_timed=len({i for place in places for i in order[place]}),
        seconds_of_trial=spent,
    )


def _summing_up(
    subject: Subject,
    settings: AuditSettings,
    tried: Sequence[Finding],
    n_examples: int,
    device: str,
) -> StageForecast:
    """Of the records, on the processor; its memory is the device's only where that is the same."""
    restart_peak(device)
    found = time_summing_up(
        subject,
        records_of(tried),
        n_examples,
        keeps_records=settings.records is not None,
    )
    return StageForecast(
        name=SUMMING_UP,
        passes=None,
        seconds=found.recording + found.of_report,
        peak_bytes=used_memory(device, peak=True),
    )
