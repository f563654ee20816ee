"""Steps are those of a range, and whoever listens hears of each that is done."""

import pytest

from attn_audit.steps import listening_to_steps, told_steps


def test_where_nobody_listens_they_are_a_range() -> None:
    assert list(told_steps(4)) == [0, 1, 2, 3]


def test_each_is_told_once_it_is_done() -> None:
    heard: list[tuple[int, int]] = []
    with listening_to_steps(lambda n_done, n_steps: heard.append((n_done, n_steps))):
        for step in told_steps(3):
            assert len(heard) == step
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_one_that_is_not_finished_is_not_told() -> None:
    heard: list[int] = []
    with listening_to_steps(lambda n_done, n_steps: heard.append(n_done)):
        for step in told_steps(3):
            if step == 1:
                break
    assert heard == [1]


def test_only_the_innermost_listens_and_none_afterwards() -> None:
    outer: list[int] = []
    inner: list[int] = []
    with listening_to_steps(lambda n_done, n_steps: outer.append(n_done)):
        with listening_to_steps(lambda n_done, n_steps: inner.append(n_done)):
            list(told_steps(1))
        list(told_steps(2))
    list(told_steps(3))
    assert (outer, inner) == ([1, 2], [1])


def test_an_error_ends_the_listening() -> None:
    heard: list[int] = []
    with (
        pytest.raises(ValueError, match="no"),
        listening_to_steps(lambda n_done, n_steps: heard.append(n_done)),
    ):
        raise ValueError("no")
    list(told_steps(2))
    assert heard == []
