"""Within a long stage something is told now and then, and it is right."""

from types import SimpleNamespace

import pytest

from attn_audit.checks.permutation import Permutation
from attn_audit.data.example import Example
from attn_audit.engine import telling
from attn_audit.engine.batch import READING
from attn_audit.engine.batch_limits import BatchLimits
from attn_audit.engine.cost import Shape
from attn_audit.engine.outlook import ROWS, Outlook
from attn_audit.engine.plan import Plan
from attn_audit.engine.stopwatch import LoopStep, Stage
from attn_audit.engine.telling import Telling
from attn_audit.engine.watching import Progress, Watcher
from attn_audit.models.base import Encoded, Site, Unit

PLAN = Plan((Permutation(0.05),), (Site(0),), 0, BatchLimits(), shard_size=500)
TEXT = Encoded(Example("a", "x x"), (Unit("x", 0, 1), Unit("x", 2, 3)), False, None)

CHECK = Stage("permutation", Site(0))


class Clock:
    """Stands still but for a stage of loops of 100 steps each."""

    now = 0.0

    def run(self, told: Telling, *seconds_per_step: float) -> None:
        for seconds in seconds_per_step:
            for n_done in range(1, 101):
                self.now += seconds
                told.step(LoopStep(CHECK, self.now, 1, n_done, 100))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(telling, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def outlook_of(expected: float, clock: Clock) -> Outlook:
    """Of one text, whose only check is thought to take so many seconds."""
    outlook = Outlook(PLAN, [3], clock=lambda: clock.now)
    outlook.begin([TEXT])
    outlook.expect([TEXT], {Stage(READING): 0.0, CHECK: expected, ROWS: 0.0})
    outlook.start([TEXT], Shape())
    outlook.measured(Stage(READING), 0.0, 0)
    return outlook


def said_of(
    clock: Clock, expected: float, *seconds_per_step: float
) -> list[tuple[float, float | None]]:
    """When something was said, and what."""
    said: list[tuple[float, float | None]] = []

    def on_progress(progress: Progress) -> None:
        said.append((clock.now, progress.seconds_left))

    clock.run(Telling(outlook_of(expected, clock), Watcher(on_progress)), *seconds_per_step)
    return said


@pytest.mark.parametrize("expected", [0.1, 1.0, 10.0])
def test_the_time_left_follows_the_steps_whatever_was_expected(
    clock: Clock, expected: float
) -> None:
    said = said_of(clock, expected, 0.01)
    assert 3 <= len(said) <= 1.0 / telling.PAUSE
    for now, left in said:
        assert left == pytest.approx(1.0 - now, abs=1e-6)


def test_a_second_loop_has_a_pace_of_its_own(clock: Clock) -> None:
    """As where a quick search turns out to be of no use, and a slow one follows."""
    said = said_of(clock, 0.1, 0.001, 0.1)
    later = [(now, left) for now, left in said if now > 0.1 + 0.15]
    assert len(later) > 10
    for now, left in later:
        assert left == pytest.approx(0.1 + 10.0 - now, abs=1e-6)


def test_whoever_takes_long_to_listen_is_told_less_often(clock: Clock) -> None:
    """Than at every step, or the audit would wait for nothing else."""
    said: list[Progress] = []

    def on_progress(progress: Progress) -> None:
        said.append(progress)
        clock.now += 5.0

    clock.run(Telling(outlook_of(1.0, clock), Watcher(on_progress)), 0.01)
    assert len(said) <= 1.0 / telling.PAUSE


def test_a_stage_that_is_soon_done_tells_nothing_within(clock: Clock) -> None:
    said: list[Progress] = []
    told = Telling(outlook_of(0.1, clock), Watcher(said.append))
    for n_done in range(1, 101):
        clock.now += telling.PAUSE / 200
        told.step(LoopStep(CHECK, clock.now, 1, n_done, 100))
    assert said == []
    told.measured(CHECK, clock.now, 1)
    assert len(said) == 1
