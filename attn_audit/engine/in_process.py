"""The local engine: shards one after the other in this process, so that memory does not grow."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from math import inf
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import pyarrow as pa

from attn_audit.data.example import Example, length_batches, shards
from attn_audit.engine.batch import Found, Plan, audit_or_record, encode_or_record, failure
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.errors import OutOfMemoryError
from attn_audit.models.capacity import BatchLimits
from attn_audit.models.contract import AuditedModel, Encoded, Site
from attn_audit.process import is_out_of_memory, release_memory
from attn_audit.progress import Watcher

MAX_SHARD_CHARACTERS = 2_000_000
"""Text of a shard, at most: shards of long texts hold fewer."""

MAX_SITE_RECORDS = 200_000
"""Site records of a shard, at most: where there are hundreds of sites, it holds fewer examples."""

MAX_RATIO = 1.2
"""Of the longest text of a batch to its shortest, where it is audited at several sites."""

Item = TypeVar("Item")

Part = tuple[Sequence[int], Found]
"""Where examples stand in their shard, and what was found for them."""


@runtime_checkable
class Engine(Protocol):
    """Audits shards, wherever it does."""

    def audit(self, shards: Iterable[Sequence[Example]]) -> Iterator[Found]:
        """What is found in each shard, in their order.

        Args:
            shards: Read as they are needed.

        Raises:
            AttnAuditError: Of the data, the model's output, a check, or of memory.
        """
        ...

    def skip(self, shard: Sequence[Example]) -> None:
        """Take note of a shard that was audited before, and is not among those of `audit`."""
        ...


def cut(examples: Iterable[Example], plan: Plan) -> Iterator[list[Example]]:
    """Examples in shards: a function of the examples and the plan alone.

    Args:
        examples: Read as they are needed.
        plan: Says how large shards may be.
    """
    shard_size = min(plan.shard_size, max(1, MAX_SITE_RECORDS // len(plan.sites)))
    return shards(examples, shard_size, MAX_SHARD_CHARACTERS)


class LocalEngine:
    """Audits in this process, in batches that are halved where memory is not enough."""

    def __init__(
        self, model: AuditedModel, plan: Plan, stopwatch: Stopwatch, watcher: Watcher
    ) -> None:
        """Nothing is done yet.

        Args:
            stopwatch: Gets the time of each stage; its meter, if it has one, counts what is done.
            watcher: Is told once if memory is not enough for the plan's batches.
        """
        self._model, self._plan = model, plan
        self._stopwatch, self._watcher = stopwatch, watcher
        self._said_out_of_memory = False

    def audit(self, shards: Iterable[Sequence[Example]]) -> Iterator[Found]:
        """What is found in each shard, in the order of its examples.

        Args:
            shards: Read as they are needed.

        Raises:
            AttnAuditError: Of the data, the model's output, or a check; or of memory, where it is
                not enough for one example.
        """
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

    def _audit(self, encoded: Sequence[Encoded]) -> list[Part]:
        """A shard in the plan's batches; what memory is not enough for again, in smaller ones."""
        limits, capacity, parts = self._plan.limits, self._model.capacity, list[Part]()
        try:
            self._audit_within(limits, encoded, parts)
        finally:
            self._model.capacity = capacity
        return parts

    def _audit_within(
        self, limits: BatchLimits, encoded: Sequence[Encoded], parts: list[Part]
    ) -> None:
        waiting = deque(self._batches(encoded, range(len(encoded)), limits))
        while waiting:
            batch = waiting.popleft()
            examples = [encoded[i] for i in batch]
            found = self._try(examples)
            if found is None and self._plan.records_failures and self._is_too_long(examples):
                error = _out_of_memory(examples)
                parts.append((batch, failure(self._model, examples[0].example, error)))
            elif found is None:
                limits = limits.below(self._say_out_of_memory(examples))
                self._model.capacity = self._model.capacity.halved()
                left = [*batch, *chain.from_iterable(waiting)]
                waiting = deque(self._batches(encoded, sorted(left), limits))
            else:
                places = iter(batch)
                parts += [(list(islice(places, len(part.records))), part) for part in found]

    def _batches(
        self, encoded: Sequence[Encoded], indices: Sequence[int], limits: BatchLimits
    ) -> list[list[int]]:
        """Of some examples, the longest first: if memory is not enough, that is known at once."""
        some = [encoded[i] for i in indices]
        batches = batches_of(self._model, some, self._plan.sites, limits)
        return spread([[indices[i] for i in batch] for batch in batches])

    def _try(self, batch: Sequence[Encoded]) -> list[Found] | None:
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

    def _say_out_of_memory(self, batch: Sequence[Encoded]) -> int:
        """Tokens that were too many."""
        longest = max(item.n_tokens for item in batch)
        if self._is_too_long(batch):
            raise _out_of_memory(batch)
        if not self._said_out_of_memory:
            self._said_out_of_memory = True
            self._watcher.on_note(
                f"out of memory with {len(batch)} examples of up to {longest} tokens at once: "
                "going on with smaller batches"
            )
        return len(batch) * longest

    def _is_too_long(self, batch: Sequence[Encoded]) -> bool:
        """Whether there is no smaller batch to try."""
        return len(batch) == 1 and self._model.capacity.n_tokens <= batch[0].n_tokens


def _out_of_memory(batch: Sequence[Encoded]) -> OutOfMemoryError:
    return OutOfMemoryError(batch[0].example.id, batch[0].n_tokens)


def _in_order(parts: Sequence[Part]) -> Found:
    """What was found for a shard, as its examples come."""
    places = [place for part, _ in parts for place in part]
    records = pa.concat_tables([found.records for _, found in parts])
    of_sites = [(part, found.sites) for part, found in parts if found.sites is not None]
    records = records.combine_chunks().take(np.argsort(places))
    if not of_sites:
        return Found(records)
    by_row = np.concatenate([np.repeat(part, len(rows) // len(part)) for part, rows in of_sites])
    sites = pa.concat_tables([rows for _, rows in of_sites]).combine_chunks()
    return Found(records, sites.take(np.argsort(by_row, kind="stable")))


def batches_of(
    model: AuditedModel, encoded: Sequence[Encoded], sites: Sequence[Site], limits: BatchLimits
) -> list[list[int]]:
    """Indices of examples in batches of similar length, from short to long.

    Where every token's row is read, weights grow with the square of the length: these batches are
    cut further. At several sites a text is replayed so often that padding costs more than batches.

    Args:
        limits: How large a batch may be.
    """
    lengths = [item.n_tokens for item in encoded]
    found = []
    max_ratio = MAX_RATIO if len(sites) > 1 else inf
    if not model.pads_texts:
        max_ratio = 1.0
    for batch in length_batches(lengths, limits.n_examples, limits.n_tokens, max_ratio=max_ratio):
        longest = max(lengths[i] for i in batch)
        n_weights = longest * sum(model.n_rows(site, longest) for site in set(sites))
        n_bytes = 256 * max(1, n_weights)  # with all variants that are tried
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
