"""The batches of a shard, in an order that soon shows what the whole of it takes."""

from collections.abc import Sequence
from typing import TypeVar

from attn_audit.data.batching import length_batches
from attn_audit.engine.batch_limits import BatchLimits
from attn_audit.models.base import Encoded

Item = TypeVar("Item")


def spread_batches(
    encoded: Sequence[Encoded], indices: Sequence[int], limits: BatchLimits
) -> list[list[int]]:
    """Batches of similar length: the longest first, then from all over the range of lengths.

    If memory is not enough for the longest, that is known at once; and the first few batches say
    how time grows with length, which the shortest alone would not.

    Args:
        encoded: The examples of a shard.
        indices: Those of them that are still to be audited.
        limits: How large a batch may be.
    """
    lengths = [encoded[i].n_tokens for i in indices]
    batches = length_batches(lengths, limits.n_examples, limits.n_tokens)
    return spread([[indices[i] for i in batch] for batch in batches])


def spread(items: Sequence[Item]) -> list[Item]:
    """The last first, then the middle, then the quarters: any first part is spread evenly.

    Example:
        >>> spread([1, 2, 3, 4, 5, 6, 7, 8])
        [8, 4, 6, 2, 7, 3, 5, 1]
    """
    n_bits = max(1, (len(items) - 1).bit_length())
    order = sorted(range(len(items)), key=lambda i: f"{i:0{n_bits}b}"[::-1])
    return [items[-1 - i] for i in order]
