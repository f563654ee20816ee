"""A random sample in one pass, the same whatever the order of the data."""

import hashlib
import heapq
from collections.abc import Iterable

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError


def sample_examples(examples: Iterable[Example], limit: int, seed: int) -> list[Example]:
    """At most `limit` examples at random, in the data's order.

    Those whose hash of seed and id is smallest: a function of the set of examples alone, and a
    larger limit adds to a smaller one's sample. Only `limit` examples are in memory at a time.

    Args:
        examples: Read once, to the end.
        limit: How many at most; all of them where there are fewer.
        seed: Another seed, another sample.

    Raises:
        ConfigurationError: `limit` is below 1.
    """
    if limit < 1:
        raise ConfigurationError(f"a sample needs at least 1 example, not {limit}")
    heap: list[tuple[int, int, Example]] = []  # the largest hash on top
    for index, example in enumerate(examples):
        entry = (-_hash(seed, example.id), index, example)
        if len(heap) < limit:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
    return [example for _, _, example in sorted(heap, key=lambda entry: entry[1])]


def _hash(seed: int, example_id: str) -> int:
    digest = hashlib.blake2b(f"{seed}:{example_id}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big")
