"""Within a long stage something is told now and then, and it is right."""

from types import SimpleNamespace

import pytest

from attn_audit.checks.permutation import Permutation
from attn_audit.data.example import Example
from attn_audit.engine import telling
from attn_audit.engine.batch import READING
from attn_audit.engine.batch_limits import BatchLimits
from attn_audit.engine.outlook import ROWS, Outlook
from attn_audit.engine.plan import Plan
from attn_audit.engine.stopwatch import Step
from attn_audit.engine.telling import Telling
from attn_audit.engine.watching import Progress, Watcher
from attn_audit.models.base import Encoded, Site, Unit

PLAN = Plan((Permutation(0.05),), (Site(0),), 0, BatchLimits(), shard_size=500)
TEXT = Encoded(Example("a", "x x"), (Unit("x", 0, 1), Unit("x", 2, 3)), False, None)


class Clock:
    """A stage of 100 steps that takes a hundredth of a second for each."""

    now = 0.0

    def run(self, told: Telling) -> None:
        for n_done in range(1, 101):
            self.now += 0.01
            told.step(Step("permutation", self.now, 1, n_done, 100))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(telling, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def outlook_of(expected: float, clock: Clock) -> Outlook:
    """Of one text, whose only check is thought to take so many seconds."""
    outlook = Outlook(PLAN, [3], clock=lambda: clock.now)
    outlook.begin([TEXT])
    outlook.expect([TEXT], {READING: 0.0, "permutation": expected, ROWS: 0.0})
    outlook.start([TEXT], [])
    outlook.measured(READING, 0.0, 0)
    return outlook


@pytest.mark.parametrize("expected", [0.1, 1.0, 10.0])
def test_the_time_left_follows_the_steps_whatever_was_expected(
    clock: Clock, expected: float
) -> None:
    said: list[tuple[float, float | None]] = []

    def on_progress(progress: Progress) -> None:
        said.append((clock.now, progress.seconds_left))

    clock.run(Telling(outlook_of(expected, clock), Watcher(on_progress)))
    assert 3 <= len(said) <= 1.0 / telling.PAUSE
    for now, left in said[1:]:
        assert left == pytest.approx(1.0 - now, abs=1e-6)


def test_a_stage_that_is_soon_done_tells_nothing_within(clock: Clock) -> None:
    said: list[Progress] = []
    told = Telling(outlook_of(0.1, clock), Watcher(said.append))
    for n_done in range(1, 101):
        clock.now += telling.PAUSE / 200
        told.step(Step("permutation", clock.now, 1, n_done, 100))
    assert said == []
    told.measured("permutation", clock.now, 1)
    assert len(said) == 1
