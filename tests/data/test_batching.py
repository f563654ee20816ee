import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.data.batching import length_batches, shards
from attn_audit.data.example import Example


@given(
    lengths=st.lists(st.integers(0, 60), max_size=50),
    batch_size=st.integers(1, 10),
    max_tokens=st.integers(0, 200),
)
def test_batches_hold_every_index_once_within_both_bounds(
    lengths: list[int], batch_size: int, max_tokens: int
) -> None:
    batches = length_batches(lengths, batch_size, max_tokens)
    order = [index for batch in batches for index in batch]
    assert order == sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    for batch in batches:
        padded = len(batch) * max(lengths[index] for index in batch)
        assert 1 <= len(batch) <= batch_size
        assert padded <= max_tokens or len(batch) == 1


def test_batches_are_as_full_as_they_may_be() -> None:
    assert length_batches([5] * 7, batch_size=3, max_tokens=1000) == [[0, 1, 2], [3, 4, 5], [6]]
    assert length_batches([5] * 5, batch_size=9, max_tokens=10) == [[0, 1], [2, 3], [4]]


def texts(*lengths: int) -> list[Example]:
    return [Example(id=str(i), text="x" * length) for i, length in enumerate(lengths)]


def ids(pieces: Iterable[list[Example]]) -> list[str]:
    return ["".join(example.id for example in piece) for piece in pieces]


def test_shards_are_consecutive_and_within_both_bounds() -> None:
    assert ids(shards(texts(1, 1, 1, 1, 1), 2, 100)) == ["01", "23", "4"]
    assert ids(shards(texts(6, 5, 4, 30, 1), 9, 10)) == ["0", "12", "3", "4"]


def test_shards_are_lazy() -> None:
    endless = (Example(id=str(i), text="x") for i in itertools.count())
    pieces = shards(endless, 3, 100)
    assert ids([next(pieces), next(pieces)]) == ["012", "345"]


def test_no_examples_make_no_shard() -> None:
    assert list(shards([], 3, 100)) == []


def test_refuses_empty_pieces() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        next(shards([], 0, 100))
    with pytest.raises(ValueError, match="at least 1"):
        length_batches([1], 0, 10)
