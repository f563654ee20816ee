"""Cutting examples into pieces: shards to work through and to keep, batches to compute at once."""

from collections.abc import Iterable, Iterator, Sequence

from attn_audit.data.example import Example


def shards(examples: Iterable[Example], size: int, max_characters: int) -> Iterator[list[Example]]:
    """Consecutive examples, as many as are in memory together.

    Args:
        examples: In any number.
        size: How many examples a shard may hold.
        max_characters: How much text it may hold; a longer example stands alone.

    Raises:
        ValueError: `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"a shard needs at least 1 example, not {size}")
    shard: list[Example] = []
    characters = 0
    for example in examples:
        length = len(example.text) + len(example.text_pair or "")
        if shard and (len(shard) == size or characters + length > max_characters):
            yield shard
            shard, characters = [], 0
        shard.append(example)
        characters += length
    if shard:
        yield shard


def length_batches(lengths: Sequence[int], batch_size: int, max_tokens: int) -> list[list[int]]:
    """Indices of examples in batches of similar length, so that little of a batch is padding.

    From short to long, equal lengths in their own order; a batch is full when one more example
    would make it larger than `batch_size`, or larger than `max_tokens` once padded.

    Args:
        lengths: Tokens of each example.
        batch_size: How many examples a batch may hold.
        max_tokens: How many tokens it may hold, padding included; a longer example stands alone.

    Returns:
        Every index exactly once, in batches of at least one.

    Raises:
        ValueError: `batch_size` is below 1.

    Example:
        >>> length_batches([9, 2, 3, 2], batch_size=2, max_tokens=16)
        [[1, 3], [2], [0]]
    """
    if batch_size < 1:
        raise ValueError(f"a batch needs at least 1 example, not {batch_size}")
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        last = batches[-1] if batches else []
        fits = len(last) < batch_size and (len(last) + 1) * lengths[index] <= max_tokens
        if last and fits:
            last.append(index)
        else:
            batches.append([index])
    return batches
