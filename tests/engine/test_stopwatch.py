"""Each stage's seconds add up; a meter counts how far each check is, at one rate for each."""

from collections.abc import Callable

import pytest

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.attended import AttendedUnits
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.permutation import Permutation
from attn_audit.checks.registry import measured_by
from attn_audit.engine.in_process import LocalEngine, Plan, cut
from attn_audit.engine.stopwatch import Meter, StageTime, Stopwatch, progress_of
from attn_audit.models.capacity import BatchLimits
from attn_audit.models.contract import Site
from attn_audit.progress import READING, Progress, Watcher, part, portions
from tests.rows import RowsModel, texts

CHECKS = (Correlation(), AttendedUnits(), Permutation(0.05, 9))
MODEL = RowsModel()


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def meter(clock: Clock, *, n_sites: int = 1, tell: Callable[[Meter], None] | None = None) -> Meter:
    sites = [Site(layer) for layer in range(n_sites)]
    return Meter(CHECKS, sites, tell or (lambda meter: None), clock)


def test_stages_add_up_by_name() -> None:
    stopwatch = Stopwatch()
    for name in ("a", "b", "a"):
        with stopwatch.measure(name):
            pass
    assert set(stopwatch.seconds) == {"a", "b"}
    assert min(stopwatch.seconds.values()) >= 0


def test_a_stage_that_fails_is_counted() -> None:
    stopwatch = Stopwatch()
    with pytest.raises(ValueError, match="no"), stopwatch.measure("a"):
        raise ValueError("no")
    assert stopwatch.seconds["a"] >= 0


def test_a_check_under_way_counts_by_its_parts_and_its_own_time(clock: Clock) -> None:
    watched = meter(clock)
    batch = MODEL.encode(texts(6, 6, 6, 6))
    watched.begin(batch)
    clock.now += 3  # of which the check knows nothing
    with watched.stage("permutation", batch), part(0.25):
        clock.now += 2
    assert watched.spent()["permutation"] == StageTime(4.0, 2.0)
    with watched.stage("correlation", batch):
        with part(0.25):
            clock.now += 2
        assert watched.spent()["correlation"] == StageTime(1.0, 2.0)
        clock.now += 1
        assert watched.spent()["correlation"] == StageTime(1.0, 3.0)


def test_long_texts_count_for_more(clock: Clock) -> None:
    watched = meter(clock)
    short, long = MODEL.encode(texts(5, 20))
    watched.begin([short, long])
    with watched.stage("permutation", [short]):
        clock.now += 1
    of_short, of_long = (9 + n + 2 for n in (5, 20))
    expected = 2 * 5 * of_short / (5 * of_short + 20 * of_long)
    assert watched.spent()["permutation"].examples == pytest.approx(expected)
    with watched.stage("correlation", [short]):
        clock.now += 1
    of_short, of_long = (2 + n + 1 + 2 for n in (5, 20))
    expected = 2 * 5 * of_short / (5 * of_short + 20 * of_long)
    assert watched.spent()["correlation"].examples == pytest.approx(expected)


def test_importance_is_counted_at_the_first_site_and_the_other_checks_at_every_one(
    clock: Clock,
) -> None:
    watched = meter(clock, n_sites=4)
    batch = MODEL.encode(texts(6, 6))
    watched.begin(batch)
    done: dict[str, list[float]] = {check.id: [] for check in CHECKS}
    for _ in range(2):
        for name in done:
            with watched.stage(name, batch):
                clock.now += 1
            done[name].append(watched.spent()[name].examples)
    first, whole = 2 + 7 + 2, 2 + 7 + 4 * 2  # passes of gradients, leave-one-out, and the baseline
    counted = [2 * first / whole, 2 * (first + 2) / whole]
    assert done.pop("correlation") == pytest.approx(counted)
    assert done == {"attended": [0.5, 1], "permutation": [0.5, 1]}


def test_what_failed_and_is_repeated_is_not_counted_twice(clock: Clock) -> None:
    watched = meter(clock)
    batch = MODEL.encode(texts(6, 6, 6, 6))
    watched.begin(batch, n_failed=1)
    with watched.stage("permutation", batch):
        clock.now += 1
    watched.finish([])
    assert watched.spent()["permutation"] == StageTime(1.0, 1.0)
    for half in (batch[:2], batch[2:]):
        with watched.stage("permutation", half):
            clock.now += 1
        watched.finish(half)
    assert watched.spent()["permutation"] == StageTime(5.0, 3.0)
    assert watched.n_finished == 5


def test_it_tells_no_more_often_than_people_can_read(clock: Clock) -> None:
    told: list[float] = []
    watched = meter(clock, tell=lambda meter: told.append(clock.now))
    batch = MODEL.encode(texts(6, 6))
    watched.begin(batch)
    with watched.stage("permutation", batch):
        for _ in portions(range(100)):
            clock.now += 0.1
    assert 15 <= len(told) <= 20  # in ten seconds


def test_the_time_left_is_that_of_every_check_and_of_what_is_beside_them() -> None:
    spent = {"a": StageTime(10.0, 5.0), "b": StageTime(20.0, 5.0), READING: StageTime(20.0, 2.0)}
    found = progress_of(spent, "b", n_finished=10, n_examples=100)
    by_name = {check.name: check for check in found.checks}
    assert by_name["a"].per_second == 2
    assert by_name["a"].seconds_left == 45
    assert by_name["b"].seconds_left == 20
    assert found.seconds_left == 45 + 20 + 8


def test_nothing_is_said_of_what_nobody_can_know() -> None:
    spent = {"a": StageTime(10.0, 5.0), "b": StageTime(), READING: StageTime(20.0, 2.0)}
    found = progress_of(spent, "a", n_finished=10, n_examples=100)
    assert found.seconds_left is None
    assert [check.seconds_left for check in found.checks] == [45, None]
    assert progress_of({}, READING, n_finished=0, n_examples=100).seconds_left is None
    uncounted = progress_of(spent, "a", n_finished=10)
    assert [check.per_second for check in uncounted.checks] == [2, None]
    assert [check.seconds_left for check in uncounted.checks] == [None, None]


def test_examples_of_an_earlier_run_are_done_and_say_nothing_of_the_rate() -> None:
    found = progress_of(
        {"a": StageTime(10.0, 5.0)}, "a", n_finished=10, n_skipped=50, n_examples=100
    )
    assert (found.n_finished, found.checks[0].n_finished) == (60, 60)
    assert found.checks[0].per_second == 2
    assert found.checks[0].seconds_left == 20


def test_workers_share_the_time() -> None:
    found = progress_of(
        {"a": StageTime(10.0, 5.0)}, "a", n_finished=10, n_examples=100, n_workers=3
    )
    assert found.checks[0].per_second == 6
    assert found.checks[0].seconds_left == 15


@pytest.mark.parametrize("limits", [BatchLimits(), BatchLimits(1)])
def test_every_audit_ends_with_all_its_examples(
    monkeypatch: pytest.MonkeyPatch, limits: BatchLimits
) -> None:
    monkeypatch.setattr("attn_audit.engine.stopwatch.PAUSE", 0)
    told: list[Progress] = []
    checks = (*CHECKS, Adversarial(0.05, n_iterations=8))
    plan = Plan(checks, (Site(1), Site(0), Site(1)), 0, limits, shard_size=5)
    examples = texts(*(5 + i % 7 for i in range(13)))

    def tell(meter: Meter) -> None:
        n = meter.n_finished
        told.append(progress_of(meter.spent(), meter.doing, n_finished=n, n_examples=13))

    stopwatch = Stopwatch(meter=Meter(checks, plan.sites, tell))
    engine = LocalEngine(RowsModel(), plan, stopwatch, Watcher())
    assert sum(len(found.records) for found in engine.audit(cut(examples, plan))) == 13
    assert told[-1].n_finished == 13
    assert told[-1].seconds_left == pytest.approx(0, abs=1e-9)
    for i in range(len(checks)):
        done = [progress.checks[i].n_finished for progress in told]
        assert done == sorted(done)
        assert done[-1] == pytest.approx(13)
        assert len(set(done)) > 3


def test_leaving_out_is_counted_where_it_is_measured_first(clock: Clock) -> None:
    sites = [Site(layer) for layer in range(4)]
    alone = Meter(CHECKS[1:], sites, lambda meter: None, clock)
    batch = MODEL.encode(texts(6, 6))
    alone.begin(batch)
    done = []
    for _ in range(2):
        with alone.stage("attended", batch):
            clock.now += 1
        done.append(alone.spent()["attended"].examples)
    whole = 6 + 1 + 4 * 2
    assert done == pytest.approx([2 * (6 + 1 + 2) / whole, 2 * (6 + 1 + 2 + 2) / whole])


def test_passes_are_those_of_the_settings() -> None:
    found = measured_by((Correlation(("gradient",)), AttendedUnits()))
    assert {name: [m.name for m in of] for name, of in found.items()} == {
        "correlation": ["gradient"],
        "attended": ["leave_one_out"],
    }
    assert measured_by((Correlation(), AttendedUnits()))["attended"] == ()
    assert Permutation(0.05, 50).passes(3) == 6 + 3 + 2
    assert Adversarial(0.05, n_iterations=40, n_restarts=5).passes(3) == 200
