"""Each stage's seconds add up, and whoever listens is told of them."""

import pytest

from attn_audit.engine.stopwatch import Stopwatch


def test_a_stage_is_told_with_its_examples_while_somebody_listens() -> None:
    stopwatch, told = Stopwatch(), list[tuple[str, int]]()
    with stopwatch.told(lambda stage, seconds, n_examples: told.append((stage, n_examples))):
        with stopwatch.measure("a", 3):
            pass
        with stopwatch.measure("b"):
            pass
    with stopwatch.measure("a", 3):
        pass
    assert told == [("a", 3), ("b", 0)]
    assert set(stopwatch.seconds) == {"a", "b"}


def test_a_stage_that_fails_is_counted_and_not_told() -> None:
    stopwatch, told = Stopwatch(), list[str]()
    with (
        pytest.raises(ValueError, match="no"),
        stopwatch.told(lambda stage, seconds, n_examples: told.append(stage)),
        stopwatch.measure("a", 3),
    ):
        raise ValueError("no")
    assert told == []
    assert stopwatch.seconds["a"] >= 0
