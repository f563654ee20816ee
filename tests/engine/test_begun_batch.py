"""What is left of a stage that tells of its steps is what these still take."""

import pytest

from attn_audit.engine.begun_batch import BegunBatch
from attn_audit.engine.cost import Shape
from attn_audit.engine.stopwatch import LoopStep, Stage
from attn_audit.models.base import Site

SEARCH = Stage("adversarial", Site(0))


def begun() -> BegunBatch:
    """A batch of eight texts."""
    return BegunBatch(Shape.of([5] * 8), 8)


def step(seconds: float, n_done: int) -> LoopStep:
    """Of a search of 100 steps for all eight texts."""
    return LoopStep(SEARCH, seconds, 8, n_done, 100)


def test_before_it_begins_all_is_left() -> None:
    assert begun().left(SEARCH, 50.0) == 50.0


def test_after_its_first_word_what_it_took_so_far_is_left_no_more() -> None:
    batch = begun()
    batch.at(step(20.0, 1))
    assert batch.left(SEARCH, 50.0) == 30.0
    assert batch.left(SEARCH, 10.0) == 0.0


def test_from_its_second_word_on_its_own_pace_counts_not_what_was_expected() -> None:
    """What came before the loop is in neither."""
    batch = begun()
    batch.at(step(20.0, 10))
    batch.at(step(25.0, 20))
    assert batch.left(SEARCH, 1000.0) == pytest.approx(40.0)
    batch.at(step(85.0, 60))
    assert batch.left(SEARCH, 1000.0) == pytest.approx(52.0)
    batch.at(step(100.0, 100))
    assert batch.left(SEARCH, 1000.0) == 0.0


def test_other_stages_and_other_sites_know_nothing_of_it() -> None:
    batch = begun()
    batch.at(step(1.0, 10))
    batch.at(step(2.0, 20))
    assert batch.left(Stage("permutation", Site(0)), 3.0) == 3.0
    assert batch.left(SEARCH._replace(site=Site(1)), 30.0) == 30.0


def test_when_the_stage_is_done_nothing_is_left() -> None:
    batch = begun()
    batch.at(step(1.0, 10))
    batch.at(step(2.0, 20))
    assert SEARCH in batch.add(SEARCH, 10.0, 8)
    assert batch.left(SEARCH, 50.0) == 0.0


def test_a_part_that_is_done_ends_the_loop() -> None:
    batch = begun()
    batch.at(LoopStep(SEARCH, 1.0, 4, 10, 100))
    batch.at(LoopStep(SEARCH, 2.0, 4, 20, 100))
    assert batch.left(SEARCH, 50.0) == pytest.approx(8.0 + 25.0)
    batch.add(SEARCH, 10.0, 4)
    assert batch.left(SEARCH, 50.0) == 40.0
