"""How an audit is carried out: shard by shard, so that memory does not grow with the data."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from attn_audit.checks.base import AuditedBatch, Check, Columns, read_batch, rows_of
from attn_audit.data.batching import length_batches, shards
from attn_audit.data.example import Example
from attn_audit.models.base import AuditedModel, Encoded
from attn_audit.models.task import Task, TaskKind
from attn_audit.results.record import Record

SHARD_SIZE = 2000
"""Examples that are in memory together, at most."""

MAX_SHARD_CHARACTERS = 2_000_000
"""Their text, at most: shards of long texts hold fewer."""

AUTO_BATCH_SIZE = 128
MAX_BATCH_TOKENS = 16384
"""Padded tokens in one batch: long texts come in smaller batches."""


@dataclass
class Stopwatch:
    """Seconds spent in each stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


@dataclass(frozen=True)
class Plan:
    """What is computed, and in which portions."""

    checks: tuple[Check, ...]
    seed: int
    batch_size: int = AUTO_BATCH_SIZE
    shard_size: int = SHARD_SIZE


def run(
    model: AuditedModel,
    examples: Iterable[Example],
    plan: Plan,
    stopwatch: Stopwatch,
    on_progress: Callable[[int], None],
) -> Iterator[list[Record]]:
    """Audit examples shard by shard.

    Args:
        model: The model.
        examples: Read as they are needed.
        plan: What to compute.
        stopwatch: Gets the time of each stage.
        on_progress: Called with the number of examples of every finished batch.

    Yields:
        The records of one shard, in the order of the examples.

    Raises:
        AttnAuditError: Of the data, the model's output, or a check.
    """
    for shard in _timed(
        shards(examples, plan.shard_size, MAX_SHARD_CHARACTERS), "reading data", stopwatch
    ):
        with stopwatch.measure("encoding"):
            encoded = model.encode(shard)
        lengths = [item.n_units for item in encoded]
        records: dict[int, Record] = {}
        for batch in length_batches(lengths, plan.batch_size, MAX_BATCH_TOKENS):
            found = _audit_batch(model, [encoded[i] for i in batch], plan, stopwatch)
            records.update(zip(batch, found, strict=True))
            on_progress(len(batch))
        yield [records[i] for i in range(len(shard))]


def _timed(
    iterable: Iterable[list[Example]], stage: str, stopwatch: Stopwatch
) -> Iterator[list[Example]]:
    iterator = iter(iterable)
    while True:
        with stopwatch.measure(stage):
            item = next(iterator, None)
        if item is None:
            return
        yield item


def _audit_batch(
    model: AuditedModel, encoded: Sequence[Encoded], plan: Plan, stopwatch: Stopwatch
) -> list[Record]:
    with stopwatch.measure("reading attention"):
        audited = read_batch(model, model.collate(encoded), model.sites[-1], plan.seed)
        columns = _describe(audited)
    for check in plan.checks:
        with stopwatch.measure(check.id):
            columns |= check.run(audited)
    return [
        Record(**{name: values[i] for name, values in columns.items()}) for i in range(len(encoded))
    ]


def _describe(audited: AuditedBatch) -> Columns:
    """What is known of each example before any check."""
    task, batch = audited.model.task, audited.batch
    has_mass = audited.has_mass.tolist()
    largest = audited.explanation.max(dim=-1).values.tolist()
    probabilities = audited.probabilities.tolist()
    return {
        "id": audited.ids,
        "label": [_label(task, item.example) for item in batch.encoded],
        "prediction": task.predictions(audited.probabilities),
        "probability": [p[0] if task.n_logits == 1 else tuple(p) for p in probabilities],
        "n_units": [item.n_units for item in batch.encoded],
        "truncated": [item.truncated for item in batch.encoded],
        "audited_mass": audited.mass.tolist(),
        "max_attention": [
            value if kept else None for value, kept in zip(largest, has_mass, strict=True)
        ],
        "units": [tuple(unit.text for unit in item.units) for item in batch.encoded],
        "attention": rows_of(audited.explanation, audited.lengths),
    }


def _label(task: Task, example: Example) -> str | tuple[str, ...] | None:
    if example.labels is None:
        return None
    return example.labels if task.kind is TaskKind.MULTILABEL else example.labels[0]
