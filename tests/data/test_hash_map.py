from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.data import hash_map
from attn_audit.data.hash_map import HashMap

KEYS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 2**63, 2**64 - 1]))


@pytest.fixture(autouse=True)
def _merge_often() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_map, "MAX_RECENT", 3)
        yield


@given(st.lists(st.tuples(KEYS, st.integers(-(2**63), 2**63 - 1)), max_size=30))
def test_holds_what_a_dictionary_holds(entries: list[tuple[int, int]]) -> None:
    plain: dict[int, int] = {}
    compact = HashMap()
    for key, value in entries:
        assert compact.get(key) == plain.get(key)
        compact.set(key, value)
        plain[key] = value
    assert {key: compact.get(key) for key in plain} == plain


def test_neighbouring_hashes_are_told_apart_beyond_the_precision_of_floats() -> None:
    compact = HashMap()
    keys = [2**64 - 1 - i for i in range(10)]
    for number, key in enumerate(keys):
        compact.set(key, number)
    assert [compact.get(key) for key in keys] == list(range(10))
