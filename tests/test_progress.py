"""Portions are those of a loop, and whoever follows hears how far the work is after each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.progress import following, part, portions


def test_where_nobody_follows_they_are_the_items() -> None:
    assert list(portions("abc")) == ["a", "b", "c"]


def test_each_is_told_once_it_is_done() -> None:
    told: list[float] = []
    with following(told.append):
        for i, _ in enumerate(portions("abcd")):
            assert len(told) == i
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_a_loop_inside_a_portion_tells_of_parts_of_it() -> None:
    told: list[float] = []
    with following(told.append):
        for _ in portions("ab"):
            list(portions("xy"))
    assert told == [0.25, 0.5, 0.5, 0.75, 1.0, 1.0]


def test_a_part_is_of_what_is_left() -> None:
    told: list[float] = []
    with following(told.append):
        with part(0.5):
            pass
        with part(0.5):
            pass
        list(portions("ab"))
    assert told == [0.5, 0.75, 0.875, 1.0]


def test_items_of_different_sizes_are_parts_of_different_sizes() -> None:
    told: list[float] = []
    with following(told.append):
        list(portions("abc", [1, 0, 3]))
    assert told == [0.25, 0.25, 1.0]


@given(st.recursive(st.just(()), lambda inner: st.lists(inner, max_size=4).map(tuple)))
def test_what_is_told_only_grows_and_never_exceeds_the_whole(loops: tuple[object, ...]) -> None:
    told: list[float] = []

    def run(inner: object) -> None:
        assert isinstance(inner, tuple)
        for each in portions(inner):
            run(each)

    with following(told.append):
        run(loops)
        run(loops)
    assert told == sorted(told)
    assert all(0 <= done <= 1 + 1e-9 for done in told)


def test_an_error_ends_the_following_and_leaves_the_loops_around_it_whole() -> None:
    told: list[float] = []
    with following(told.append):
        with part(0.5):
            with pytest.raises(ValueError, match="no"), part(0.5):
                raise ValueError("no")
            list(portions("ab"))
        list(portions("a"))
    assert told == [0.25, 0.5, 0.5, 1.0]
    list(portions("ab"))
    assert len(told) == 4
