"""Each stage's seconds add up, and whoever listens is told of them."""

from dataclasses import dataclass, field

import pytest

from attn_audit.engine.stopwatch import LoopStep, Stage, Stopwatch
from attn_audit.models.base import Site
from attn_audit.steps import told_steps


@dataclass
class Heard:
    """What a stopwatch told."""

    stages: list[tuple[Stage, int]] = field(default_factory=list)
    steps: list[LoopStep] = field(default_factory=list)

    def measured(self, stage: Stage, seconds: float, n_examples: int) -> None:
        self.stages.append((stage, n_examples))

    def step(self, step: LoopStep) -> None:
        self.steps.append(step)


def test_a_stage_is_told_with_its_examples_while_somebody_listens() -> None:
    stopwatch, heard = Stopwatch(), Heard()
    with stopwatch.told(heard):
        with stopwatch.measure("a", 3):
            pass
        with stopwatch.measure("b"):
            pass
    with stopwatch.measure("a", 3):
        pass
    assert heard.stages == [(Stage("a"), 3), (Stage("b"), 0)]
    assert set(stopwatch.seconds) == {"a", "b"}


def test_sites_are_told_apart_and_counted_together() -> None:
    stopwatch, heard = Stopwatch(), Heard()
    with stopwatch.told(heard):
        for layer in (1, 0):
            with stopwatch.measure("a", 3, Site(layer)):
                pass
    assert heard.stages == [(Stage("a", Site(1)), 3), (Stage("a", Site(0)), 3)]
    assert set(stopwatch.seconds) == {"a"}
    assert stopwatch.seconds["a"] == sum(stopwatch.by_stage.values())


def test_a_stage_that_fails_is_counted_and_not_told() -> None:
    stopwatch, heard = Stopwatch(), Heard()
    with (
        pytest.raises(ValueError, match="no"),
        stopwatch.told(heard),
        stopwatch.measure("a", 3),
    ):
        raise ValueError("no")
    assert heard.stages == []
    assert stopwatch.seconds["a"] >= 0


def test_the_steps_of_a_stage_are_told_with_its_time_so_far() -> None:
    stopwatch, heard = Stopwatch(), Heard()
    with stopwatch.told(heard), stopwatch.measure("a", 3):
        assert list(told_steps(2)) == [0, 1]
    assert [(step.stage, step.n_examples) for step in heard.steps] == [(Stage("a"), 3)] * 2
    assert [(step.n_done, step.n_steps) for step in heard.steps] == [(1, 2), (2, 2)]
    assert 0 <= heard.steps[0].seconds <= heard.steps[1].seconds <= stopwatch.seconds["a"]


def test_steps_between_stages_are_nobodys() -> None:
    stopwatch, heard = Stopwatch(), Heard()
    with stopwatch.told(heard):
        with stopwatch.measure("a", 3):
            pass
        assert list(told_steps(2)) == [0, 1]
    assert heard.steps == []
