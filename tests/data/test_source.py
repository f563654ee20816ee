from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.data import source
from attn_audit.data.source import HashMap, Identities, Row, content_id
from attn_audit.errors import RowError

KEYS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 2**63, 2**64 - 1]))


@pytest.fixture(autouse=True)
def _merge_often() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "MAX_RECENT", 3)
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


def row(number: int) -> Row:
    return Row({}, [], "test.jsonl", number)


def test_counts_later_occurrences_of_the_same_content() -> None:
    identities = Identities()
    ids = [identities.derive("a", None, row(number)) for number in (1, 2, 3)]
    assert ids == [content_id("a", None), f"{ids[0]}-1", f"{ids[0]}-2"]


def test_content_is_text_and_pair() -> None:
    contents = {content_id("a", "b"), content_id("a", None), content_id("b", "a")}
    assert len(contents) == 3


def test_ids_do_not_depend_on_the_order_of_other_rows() -> None:
    forward, backward = Identities(), Identities()
    one = {forward.derive(text, None, row(number)) for number, text in enumerate("abc", 1)}
    two = {backward.derive(text, None, row(number)) for number, text in enumerate("cba", 1)}
    assert one == two


def test_a_given_id_may_not_be_a_derived_one() -> None:
    identities = Identities()
    derived = identities.derive("a", None, row(1))
    with pytest.raises(RowError, match=r"is also that of test.jsonl:1"):
        identities.claim(derived, row(2))
