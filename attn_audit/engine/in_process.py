"""Shards one after the other in this process, batch by batch: every check at each site."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from math import inf, isfinite
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import pyarrow as pa

from attn_audit.checks.base import AuditedBatch, Check, Columns, or_none, read_sites, rows_of
from attn_audit.data.example import Example, length_batches, shards
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.errors import (
    RECORD,
    AttnAuditError,
    ConfigurationError,
    InvalidOutputError,
    OutOfMemoryError,
)
from attn_audit.findings import example as fields
from attn_audit.findings.registry import findings_of
from attn_audit.measures.base import timed
from attn_audit.measures.head_mix import Mixes
from attn_audit.models.capacity import BatchLimits
from attn_audit.models.contract import AuditedModel, EncodedExample, Site
from attn_audit.models.task import Task
from attn_audit.numbers import counted
from attn_audit.process import is_out_of_memory, release_memory
from attn_audit.progress import READING, Watcher
from attn_audit.quoting import one_line
from attn_audit.results.table import record_table, schemas


@dataclass(frozen=True)
class Plan:
    """What an audit computes, and in which portions."""

    checks: tuple[Check, ...]
    sites: tuple[Site, ...]
    """The audited one, then those that stand beside it, each with its own records."""
    seed: int
    limits: BatchLimits = field(default_factory=BatchLimits)
    shard_size: int = 2000
    """Examples that are in memory together, at most."""
    records_failures: bool = False
    """Whether an example that fails becomes a record that says so; else it ends the audit."""
    no_texts: bool = False
    """Whether records tell units by their places, and failures by their kind."""
    mixes: Mixes | None = None
    """Of heads, fitted before the first example is audited; None: none is asked for, or none could
    be."""


class RecordTables(NamedTuple):
    """What was found for some examples, in their order."""

    records: pa.Table
    sites: pa.Table | None = None
    """Of each example, one row for each site beside the audited one, in the plan's order."""


def audit_batch(
    model: AuditedModel, encoded: Sequence[EncodedExample], plan: Plan, stopwatch: Stopwatch
) -> RecordTables:
    """Audit examples together."""
    every = tuple(dict.fromkeys(plan.sites))
    with stopwatch.measure(READING, encoded):
        batch = model.collate(encoded)
        with timed(fields.ATTENTION.name, encoded, lambda n_units: 1, model.device):
            audited = read_sites(model, batch, every, plan.seed, plan.mixes)
    measured = {
        site: _measure(of_site, site, plan, stopwatch, is_audited=site == every[0])
        for site, of_site in zip(every, audited, strict=True)
    }
    records, sites = schemas(model.task.n_logits, model.task.is_multilabel)
    found = record_table(
        _describe(audited[0], no_texts=plan.no_texts) | measured[plan.sites[0]], records
    )
    if len(plan.sites) == 1:
        return RecordTables(found)
    n, ids = len(encoded), audited[0].ids
    tables = [
        record_table(
            {
                **measured[site],
                fields.ID.name: ids,
                fields.LAYER.name: [site.layer] * n,
                fields.HEAD.name: [site.head] * n,
            },
            sites,
        )
        for site in plan.sites[1:]
    ]
    by_example = np.arange(n * len(tables)).reshape(len(tables), n).T.ravel()
    return RecordTables(found, pa.concat_tables(tables).take(by_example))


def _measure(
    audited: AuditedBatch, site: Site, plan: Plan, stopwatch: Stopwatch, *, is_audited: bool
) -> Columns:
    """What is known of attention at a site: its shape, and what every check finds.

    What would be the same at every site is measured at the audited one alone.
    """
    columns: Columns = {}
    if audited.has_attention:
        largest = audited.explanation.max(dim=-1).values.cpu().numpy()
        columns[fields.AUDITED_MASS.name] = audited.mass.tolist()
        columns[fields.MAX_ATTENTION.name] = or_none(largest, audited.has_mass)
        if is_audited:
            columns[fields.ATTENTION.name] = rows_of(audited.explanation, audited.lengths)
    for check in plan.checks:
        if not (is_audited or findings_of(check.id).is_of_sites):
            continue
        with stopwatch.measure(check.id, audited.batch.encoded):
            found = check.run(audited)
        _require_numbers(audited.ids, found)
        columns |= found
    return columns


def _require_numbers(ids: Sequence[str], columns: Columns) -> None:
    """Whatever else a check found: NaN and infinity are no findings."""
    for values in columns.values():
        for i, value in enumerate(values):
            if isinstance(value, float) and not isfinite(value):
                raise InvalidOutputError(ids[i], "output under other attention")


def _describe(audited: AuditedBatch, *, no_texts: bool) -> Columns:
    """What is known of each example before any check."""
    task, batch = audited.model.task, audited.batch
    return {
        fields.ID.name: audited.ids,
        fields.LABEL.name: [gold_label(task, item.example) for item in batch.encoded],
        fields.STATUS.name: [fields.AUDITED] * len(audited.ids),
        fields.PREDICTION.name: task.predictions(audited.probabilities),
        fields.PROBABILITY.name: task.recorded(audited.probabilities),
        fields.LIKELIEST.name: task.likeliest(audited.probabilities),
        fields.MARGIN.name: or_none(audited.margin.mean.cpu().numpy(), audited.has_margin),
        fields.N_UNITS.name: [item.n_units for item in batch.encoded],
        fields.TRUNCATED.name: [item.truncated for item in batch.encoded],
        fields.WINDOWS.name: [n if (n := item.n_windows) > 1 else None for item in batch.encoded],
        fields.READOUT_UNIT.name: [item.readout_unit for item in batch.encoded],
        fields.BORDER.name: [item.border for item in batch.encoded],
        fields.UNITS.name: [
            fields.places(item.n_units) if no_texts else tuple(unit.text for unit in item.units)
            for item in batch.encoded
        ],
    }


def gold_label(task: Task, example: Example) -> str | tuple[str, ...] | None:
    """An example's gold label as records have it: several for multilabel tasks, None without."""
    if example.labels is None:
        return None
    return example.labels if task.is_multilabel else example.labels[0]


def encoded_or_why_not(
    model: AuditedModel, examples: Sequence[Example]
) -> tuple[list[EncodedExample], dict[int, Exception]]:
    """Examples as the model takes them; by index, why it does not take the others."""
    try:
        return list(model.encode(examples)), {}
    except Exception as error:  # of a tokenizer, too
        if len(examples) == 1:
            return [], {0: error}
    parts = [encoded_or_why_not(model, [example]) for example in examples]
    errors = {i: error for i, (_, of_one) in enumerate(parts) for error in of_one.values()}
    return [item for part, _ in parts for item in part], errors


def encode_or_record(
    model: AuditedModel, examples: Sequence[Example], plan: Plan
) -> tuple[list[EncodedExample], dict[int, RecordTables]]:
    """Examples as the model takes them; by index, what stands for those that it does not take.

    Raises:
        AttnAuditError: An example cannot be encoded, and failures are not recorded.
    """
    encoded, errors = encoded_or_why_not(model, examples)
    for error in errors.values():
        if not _is_recorded(error, plan):
            raise error
    return encoded, {i: failure(model, examples[i], e, plan) for i, e in errors.items()}


def audit_or_record(
    model: AuditedModel, batch: Sequence[EncodedExample], plan: Plan, stopwatch: Stopwatch
) -> list[RecordTables]:
    """Audit a batch; where it fails, by halves, until the examples are found at which it does."""
    try:
        return [audit_batch(model, batch, plan, stopwatch)]
    except Exception as error:
        if is_out_of_memory(error) or not _is_recorded(error, plan):
            raise
        if len(batch) == 1:
            return [failure(model, batch[0].example, error, plan)]
    half = len(batch) // 2
    parts = (batch[:half], batch[half:])
    return [found for part in parts for found in audit_or_record(model, part, plan, stopwatch)]


def _is_recorded(error: Exception, plan: Plan) -> bool:
    """A wrong setting fails at every example: it ends the audit. Others say how to go on."""
    if isinstance(error, ConfigurationError):
        return False
    if not plan.records_failures and RECORD not in str(getattr(error, "hint", None)):
        error.add_note(f"{RECORD} goes on without such an example")
    return plan.records_failures


def failure(model: AuditedModel, example: Example, error: Exception, plan: Plan) -> RecordTables:
    """What stands for an example at which the model fails."""
    message = error.message if isinstance(error, AttnAuditError) else one_line(error)
    if plan.no_texts:  # what a model or a tokenizer says may quote the text
        message = type(error).__name__
    label = gold_label(model.task, example)
    found = {
        fields.ID: example.id,
        fields.LABEL: label,
        fields.STATUS: fields.FAILED,
        fields.REASON: message,
    }
    nothing = {fields.N_UNITS: 0, fields.TRUNCATED: False, fields.UNITS: (), fields.ATTENTION: ()}
    columns = {field.name: [value] for field, value in (found | nothing).items()}
    return RecordTables(
        record_table(columns, schemas(model.task.n_logits, model.task.is_multilabel)[0])
    )


MAX_SHARD_CHARACTERS = 2_000_000
"""Text of a shard, at most: shards of long texts hold fewer."""

MAX_SITE_RECORDS = 200_000
"""Site records of a shard, at most: where there are hundreds of sites, it holds fewer examples."""

MAX_RATIO = 1.2
"""Of the longest text of a batch to its shortest, where it is audited at several sites."""

Item = TypeVar("Item")

Part = tuple[Sequence[int], RecordTables]
"""Where examples stand in their shard, and what was found for them."""


@runtime_checkable
class Engine(Protocol):
    """Audits shards, wherever it does."""

    def audit(self, shards: Iterable[Sequence[Example]]) -> Iterator[RecordTables]:
        """What is found in each shard, in their order.

        Raises:
            AttnAuditError: Of the data, the model's output, a check, or of memory.
        """
        ...

    def skip(self, shard: Sequence[Example]) -> None:
        """Take note of a shard that was audited before, and is not among those of `audit`."""
        ...


def cut(examples: Iterable[Example], plan: Plan) -> Iterator[list[Example]]:
    """Examples in shards: a function of the examples and the plan alone."""
    shard_size = min(plan.shard_size, max(1, MAX_SITE_RECORDS // len(plan.sites)))
    return shards(examples, shard_size, MAX_SHARD_CHARACTERS)


class LocalEngine:
    """Audits in this process, in batches that are halved where memory is not enough."""

    def __init__(
        self, model: AuditedModel, plan: Plan, stopwatch: Stopwatch, watcher: Watcher
    ) -> None:
        """Nothing is done yet."""
        self._model, self._plan = model, plan
        self._stopwatch, self._watcher = stopwatch, watcher
        self._said_out_of_memory = False

    def audit(self, shards: Iterable[Sequence[Example]]) -> Iterator[RecordTables]:
        """What is found in each shard, in the order of its examples."""
        meter = self._stopwatch.meter
        for shard in self._stopwatch.timed(shards, "reading data"):
            with self._stopwatch.measure("encoding"):
                encoded, failed = encode_or_record(self._model, shard, self._plan)
            if meter is not None:
                meter.begin(encoded, len(failed))
            places = [i for i in range(len(shard)) if i not in failed]
            parts = [([places[i] for i in part], found) for part, found in self._audit(encoded)]
            if meter is not None:
                meter.tell(now=True)
            yield _in_order([*parts, *(([i], found) for i, found in failed.items())])

    def skip(self, shard: Sequence[Example]) -> None:
        """Take note of a shard that was audited before."""
        if self._stopwatch.meter is not None:
            self._stopwatch.meter.skip(len(shard))

    def _audit(self, encoded: Sequence[EncodedExample]) -> list[Part]:
        """A shard in the plan's batches; what memory is not enough for again, in smaller ones."""
        limits, capacity, parts = self._plan.limits, self._model.capacity, list[Part]()
        waiting = deque(self._batches(encoded, range(len(encoded)), limits))
        try:
            while waiting:
                batch = waiting.popleft()
                examples = [encoded[i] for i in batch]
                found = self._try(examples)
                # Else there is no smaller batch to try.
                can_be_cut = len(batch) > 1 or self._model.capacity.n_tokens > examples[0].n_tokens
                if found is None and can_be_cut:
                    longest, n = max(item.n_tokens for item in examples), len(examples)
                    if not self._said_out_of_memory:
                        self._said_out_of_memory = True
                        self._watcher.on_note(
                            f"out of memory with {counted(n, 'example')} of up to {longest} "
                            "tokens at once: going on with smaller batches"
                        )
                    limits = limits.below(n * longest)
                    self._model.capacity = self._model.capacity.halved()
                    left = [*batch, *chain.from_iterable(waiting)]
                    waiting = deque(self._batches(encoded, sorted(left), limits))
                    continue
                if found is None:
                    error = OutOfMemoryError(examples[0].example.id, examples[0].n_tokens)
                    if not self._plan.records_failures:
                        raise error
                    found = [failure(self._model, examples[0].example, error, self._plan)]
                places = iter(batch)
                parts += [(list(islice(places, len(part.records))), part) for part in found]
        finally:
            self._model.capacity = capacity
        return parts

    def _batches(
        self, encoded: Sequence[EncodedExample], indices: Sequence[int], limits: BatchLimits
    ) -> list[list[int]]:
        """Of some examples, the longest first: if memory is not enough, that is known at once."""
        some = [encoded[i] for i in indices]
        batches = batches_of(self._model, some, self._plan.sites, limits)
        return spread([[indices[i] for i in batch] for batch in batches])

    def _try(self, batch: Sequence[EncodedExample]) -> list[RecordTables] | None:
        """What is found, or None where memory is not enough."""
        try:
            found = audit_or_record(self._model, batch, self._plan, self._stopwatch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            found = None
        if found is None:
            release_memory()  # only here, where the error and the frames with its tensors are gone
        if self._stopwatch.meter is not None:
            self._stopwatch.meter.finish([] if found is None else batch)
        return found


def _in_order(parts: Sequence[Part]) -> RecordTables:
    """What was found for a shard, as its examples come."""
    places = [place for part, _ in parts for place in part]
    records = pa.concat_tables([found.records for _, found in parts])
    of_sites = [(part, found.sites) for part, found in parts if found.sites is not None]
    records = records.combine_chunks().take(np.argsort(places))
    if not of_sites:
        return RecordTables(records)
    by_row = np.concatenate([np.repeat(part, len(rows) // len(part)) for part, rows in of_sites])
    sites = pa.concat_tables([rows for _, rows in of_sites]).combine_chunks()
    return RecordTables(records, sites.take(np.argsort(by_row, kind="stable")))


def batches_of(
    model: AuditedModel,
    encoded: Sequence[EncodedExample],
    sites: Sequence[Site],
    limits: BatchLimits,
) -> list[list[int]]:
    """Indices of examples in batches of similar length, from short to long.

    Where every token's row is read, weights grow with the square of the length: these batches are
    cut further. At several sites a text is replayed so often that padding costs more than batches.
    """
    lengths = [item.n_tokens for item in encoded]
    found = []
    max_ratio = MAX_RATIO if len(sites) > 1 else inf
    if not model.pads_texts:
        max_ratio = 1.0
    for batch in length_batches(lengths, limits.n_examples, limits.n_tokens, max_ratio=max_ratio):
        longest = max(lengths[i] for i in batch)
        n_weights = longest * sum(model.n_rows(site, longest) for site in set(sites))
        # With all variants that are tried.
        n_bytes = 256 * max(1, n_weights, model.task.n_logits)
        size = model.capacity.in_memory(n_bytes)
        found += [batch[start : start + size] for start in range(0, len(batch), size)]
    return found


def spread(items: Sequence[Item]) -> list[Item]:
    """The last and the first, then what lies in the middle, then in the middle of the halves, ...

    Of batches by length, the first few are like all of them in what they take.

    Example:
        >>> spread([1, 2, 3, 4, 5, 6, 7, 8, 9])
        [9, 1, 5, 7, 3, 8, 6, 4, 2]
    """
    backwards = items[::-1]
    last = len(items) - 1
    order, gaps = [0, last][: len(items)], deque([(0, last)])
    while gaps:
        start, end = gaps.popleft()
        if end - start > 1:
            middle = (start + end) // 2
            order.append(middle)
            gaps += [(start, middle), (middle, end)]
    return [backwards[i] for i in order]
