from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.data.example import Example
from attn_audit.data.sampling import sample_examples
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
