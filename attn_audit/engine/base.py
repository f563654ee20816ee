"""What carries out an audit: here, or on many machines."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from attn_audit.data.batching import shards
from attn_audit.data.example import Example
from attn_audit.engine.batch import Finding
from attn_audit.engine.plan import Plan

MAX_SHARD_CHARACTERS = 2_000_000
"""Text of a shard, at most: shards of long texts hold fewer."""

MAX_SITE_RECORDS = 200_000
"""Site records of a shard, at most: where there are hundreds of sites, it holds fewer examples."""


@runtime_checkable
class Engine(Protocol):
    """Audits shards, wherever it does."""

    def audit(self, shards: Iterable[Sequence[Example]]) -> Iterator[list[Finding]]:
        """What is found in each shard, in their order.

        Args:
            shards: Read as they are needed.

        Raises:
            AttnAuditError: Of the data, the model's output, a check, or of memory.
        """
        ...

    def skip(self, shard: Sequence[Example]) -> None:
        """Take note of a shard that was audited before: less is left to do.

        Args:
            shard: Not among those of `audit`.
        """
        ...


def cut(examples: Iterable[Example], plan: Plan) -> Iterator[list[Example]]:
    """Examples in shards: a function of the examples and the plan alone.

    Args:
        examples: Read as they are needed.
        plan: Says how large shards may be.
    """
    shard_size = min(plan.shard_size, max(1, MAX_SITE_RECORDS // len(plan.sites)))
    return shards(examples, shard_size, MAX_SHARD_CHARACTERS)
