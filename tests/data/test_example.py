import itertools
from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.data.example import Example, length_batches, sample_examples, shards
from attn_audit.errors import ConfigurationError

IDS = st.lists(st.text(max_size=4), unique=True, max_size=30)


def examples(ids: list[str]) -> list[Example]:
    return [Example(id=name, text="film") for name in ids]


@given(ids=IDS, limit=st.integers(1, 40), seed=st.integers(0, 9), shuffle=st.integers(0, 9))
def test_a_sample_does_not_depend_on_order(
    ids: list[str], limit: int, seed: int, shuffle: int
) -> None:
    given_order = sample_examples(examples(ids), limit, seed)
    shuffled = Random(shuffle).sample(ids, len(ids))
    other_order = sample_examples(iter(examples(shuffled)), limit, seed)
    assert {one.id for one in given_order} == {one.id for one in other_order}
    assert len(given_order) == min(limit, len(ids))
    assert [one.id for one in given_order] == [i for i in ids if i in {e.id for e in given_order}]


def test_a_larger_sample_holds_the_smaller_one() -> None:
    all_of_them = examples([str(number) for number in range(100)])
    small, large = (sample_examples(all_of_them, limit, seed=1) for limit in (10, 20))
    assert set(small) < set(large)


def test_another_seed_is_another_sample() -> None:
    all_of_them = examples([str(number) for number in range(100)])
    assert sample_examples(all_of_them, 10, seed=1) != sample_examples(all_of_them, 10, seed=2)


def test_every_example_is_as_likely_as_the_next() -> None:
    all_of_them = examples([str(number) for number in range(10)])
    counts = dict.fromkeys("0123456789", 0)
    for seed in range(1000):
        for example in sample_examples(all_of_them, 3, seed):
            counts[example.id] += 1
    assert all(230 < count < 370 for count in counts.values())  # 300, five standard deviations


def test_refuses_an_empty_sample() -> None:
    with pytest.raises(ConfigurationError, match="at least 1 example"):
        sample_examples([], 0, seed=1)


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


def test_batches_of_one_length_hold_no_other() -> None:
    found = length_batches([3, 2, 3, 2, 2], batch_size=2, max_tokens=99, max_ratio=1)
    assert found == [[1, 3], [4], [0, 2]]


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
