"""Examples shard by shard, so that memory does not grow with the data."""

from collections.abc import Callable, Iterable, Iterator

from attn_audit.data.batching import length_batches, shards
from attn_audit.data.example import Example
from attn_audit.engine.batch import Finding, audit_batch
from attn_audit.engine.plan import Plan
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.models.base import AuditedModel

MAX_SHARD_CHARACTERS = 2_000_000
"""Text of a shard, at most: shards of long texts hold fewer."""

MAX_SITE_RECORDS = 200_000
"""Site records of a shard, at most: where there are hundreds of sites, it holds fewer examples."""

MAX_BATCH_TOKENS = 16384
"""Padded tokens in one batch: long texts come in smaller batches."""


def run(
    model: AuditedModel,
    examples: Iterable[Example],
    plan: Plan,
    stopwatch: Stopwatch,
    on_progress: Callable[[int], None],
) -> Iterator[list[Finding]]:
    """Audit examples shard by shard.

    Args:
        model: The model.
        examples: Read as they are needed.
        plan: What to compute.
        stopwatch: Gets the time of each stage.
        on_progress: Called with the number of examples of every finished batch.

    Yields:
        What was found in one shard, in the order of the examples.

    Raises:
        AttnAuditError: Of the data, the model's output, or a check.
    """
    shard_size = min(plan.shard_size, max(1, MAX_SITE_RECORDS // len(plan.sites)))
    parts = shards(examples, shard_size, MAX_SHARD_CHARACTERS)
    for shard in stopwatch.timed(parts, "reading data"):
        with stopwatch.measure("encoding"):
            encoded = model.encode(shard)
        lengths = [item.n_units for item in encoded]
        findings: dict[int, Finding] = {}
        for batch in length_batches(lengths, plan.batch_size, MAX_BATCH_TOKENS):
            found = audit_batch(model, [encoded[i] for i in batch], plan, stopwatch)
            findings.update(zip(batch, found, strict=True))
            on_progress(len(batch))
        yield [findings[i] for i in range(len(shard))]
