"""The batches of a shard, in an order that soon shows what the whole of it takes."""

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from attn_audit.data.batching import length_batches
from attn_audit.engine.batch_limits import BatchLimits
from attn_audit.models.base import Encoded

Item = TypeVar("Item")


def spread_batches(
    encoded: Sequence[Encoded], indices: Sequence[int], limits: BatchLimits
) -> list[list[int]]:
    """Batches of similar length: the longest, the shortest, then from all over the range.

    If memory is not enough for the longest, that is known at once; and the first few batches say
    how time grows with length: what the others take is read off between them, not beyond.

    Args:
        encoded: The examples of a shard.
        indices: Those of them that are still to be audited.
        limits: How large a batch may be.
    """
    lengths = [encoded[i].n_tokens for i in indices]
    batches = length_batches(lengths, limits.n_examples, limits.n_tokens)
    return spread([[indices[i] for i in batch] for batch in batches])


def spread(items: Sequence[Item]) -> list[Item]:
    """The last and the first, then what lies in the middle, then in the middle of the halves, ...

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
