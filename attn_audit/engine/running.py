"""Examples shard by shard, so that memory does not grow with the data."""

import time
from collections.abc import Iterable, Iterator, Sequence

from attn_audit.data.batching import shards
from attn_audit.data.example import Example
from attn_audit.engine.batch import Finding, audit_batch
from attn_audit.engine.batching import spread_batches
from attn_audit.engine.memory import is_out_of_memory, release_memory
from attn_audit.engine.outlook import Outlook
from attn_audit.engine.plan import Plan
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.engine.watching import Watcher
from attn_audit.errors import OutOfMemoryError
from attn_audit.models.base import AuditedModel, Encoded

MAX_SHARD_CHARACTERS = 2_000_000
"""Text of a shard, at most: shards of long texts hold fewer."""

MAX_SITE_RECORDS = 200_000
"""Site records of a shard, at most: where there are hundreds of sites, it holds fewer examples."""


def run(
    model: AuditedModel,
    examples: Iterable[Example],
    plan: Plan,
    stopwatch: Stopwatch,
    watcher: Watcher,
    sizes: Sequence[int] | None = None,
) -> Iterator[list[Finding]]:
    """Audit examples shard by shard.

    Args:
        model: The model.
        examples: Read as they are needed.
        plan: What to compute.
        stopwatch: Gets the time of each stage.
        watcher: Is told of every finished batch, and once if memory is not enough for the plan's
            batches.
        sizes: Characters of each example, where they were counted, to tell how much is left.

    Yields:
        What was found in one shard, in the order of the examples.

    Raises:
        AttnAuditError: Of the data, the model's output, or a check; or of memory, where it is not
            enough for one example.
    """
    shard_size = min(plan.shard_size, max(1, MAX_SITE_RECORDS // len(plan.sites)))
    parts = shards(examples, shard_size, MAX_SHARD_CHARACTERS)
    portions = _Portions(model, plan, stopwatch, watcher, Outlook(plan, sizes))
    for shard in stopwatch.timed(parts, "reading data"):
        with stopwatch.measure("encoding"):
            encoded = model.encode(shard)
        yield portions.audit(encoded)


class _Portions:
    """Batches that get smaller when memory is not enough, and stay so."""

    def __init__(
        self,
        model: AuditedModel,
        plan: Plan,
        stopwatch: Stopwatch,
        watcher: Watcher,
        outlook: Outlook,
    ) -> None:
        self._model, self._plan = model, plan
        self._stopwatch, self._watcher = stopwatch, watcher
        self._limits, self._outlook = plan.limits, outlook

    def audit(self, encoded: Sequence[Encoded]) -> list[Finding]:
        findings: dict[int, Finding] = {}
        self._outlook.begin(encoded)
        waiting = spread_batches(encoded, range(len(encoded)), self._limits)
        while waiting:
            batch, start = waiting.pop(0), time.perf_counter()
            found = self._try([encoded[i] for i in batch])
            if found is None:
                self._shrink([encoded[i] for i in batch])
                rest = sorted(i for indices in (batch, *waiting) for i in indices)
                waiting = spread_batches(encoded, rest, self._limits)
                continue
            findings.update(zip(batch, found, strict=True))
            if self._watcher.on_progress is not None:
                seconds = time.perf_counter() - start
                left = [[encoded[i] for i in indices] for indices in waiting]
                progress = self._outlook.finish([encoded[i] for i in batch], seconds, left)
                self._watcher.on_progress(progress)
        return [findings[i] for i in range(len(encoded))]

    def _try(self, batch: Sequence[Encoded]) -> list[Finding] | None:
        """What is found, or None where memory is not enough."""
        try:
            return audit_batch(self._model, batch, self._plan, self._stopwatch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Only here, where the error and with it the frames that hold tensors are gone.
        release_memory()
        return None

    def _shrink(self, batch: Sequence[Encoded]) -> None:
        longest = max(item.n_tokens for item in batch)
        if len(batch) == 1:
            raise OutOfMemoryError(batch[0].example.id, longest)
        if self._limits == self._plan.limits:
            self._watcher.on_note(
                f"out of memory with {len(batch)} examples of up to {longest} tokens at once: "
                "going on with smaller batches"
            )
        self._limits = self._limits.below(len(batch) * longest)
