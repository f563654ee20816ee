"""The time that is left is right soon, however unlike the batches and their stages are."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_audit.checks.correlation import Correlation
from attn_audit.checks.permutation import Permutation
from attn_audit.data.example import Example
from attn_audit.engine.batch import READING
from attn_audit.engine.batch_limits import BatchLimits
from attn_audit.engine.batching import spread_batches
from attn_audit.engine.cost import Cost, Shape
from attn_audit.engine.outlook import ROWS, Afterwards, Outlook
from attn_audit.engine.plan import Plan
from attn_audit.engine.stopwatch import Stage
from attn_audit.engine.watching import Progress
from attn_audit.models.base import Encoded, Site, Unit

PLAN = Plan(
    (Correlation(), Permutation(0.05)), (Site(0),), 0, BatchLimits(32, 16_384), shard_size=500
)
CORRELATION, PERMUTATION = Stage("correlation", Site(0)), Stage("permutation", Site(0))
STAGES = (Stage(READING), CORRELATION, PERMUTATION, ROWS)
KEEPING, SUMMING_UP = 0.001, 3.0
CHEAP = Cost(0.01, 1e-5, 0.0)
COSTS = {
    "by batch": Cost(0.5, 0.0, 0.0),
    "by token": Cost(0.02, 1e-4, 0.0),
    "by square": Cost(0.01, 1e-4, 1e-5),
    "by example": Cost(0.05, 0.0, 0.0, 1e-2),
}


def encoded(lengths: Sequence[int]) -> list[Encoded]:
    """Texts of so many tokens, of 5 characters on average."""
    draw = random.Random(1)
    sizes = [round(n * draw.uniform(4, 6)) for n in lengths]
    units = [(Unit("x", 0, 1),) * n for n in lengths]
    return [
        Encoded(Example(str(i), "x" * size), units[i], False, None) for i, size in enumerate(sizes)
    ]


@dataclass
class Audit:
    """An audit of which only the time is real, and that is made up."""

    items: list[Encoded]
    costs: dict[Stage, Cost]
    noise: float = 0.0
    is_tried: bool = True
    is_counted: bool = True
    now: float = 0.0

    def __post_init__(self) -> None:
        self.told: list[tuple[float, Progress]] = []
        self._draw = random.Random(2)
        sizes = [len(item.example.text) for item in self.items] if self.is_counted else None
        self.outlook = Outlook(PLAN, sizes, clock=lambda: self.now)

    def run(self) -> "Audit":
        """All of it."""
        for start in range(0, len(self.items), PLAN.shard_size):
            shard = self.items[start : start + PLAN.shard_size]
            self.outlook.begin(shard)
            if start == 0 and self.is_tried:
                self._try(shard)
            waiting = spread_batches(shard, range(len(shard)), PLAN.limits)
            while waiting:
                batch = [shard[i] for i in waiting.pop(0)]
                behind = (Shape.of(shard[i].n_tokens for i in indices) for indices in waiting)
                self._audit(batch, sum(behind, start=Shape()))
            self.now += KEEPING * len(shard)
            self.outlook.recorded(len(shard))
            self._tell()
        self.now += SUMMING_UP
        return self

    def _try(self, shard: list[Encoded]) -> None:
        by_length = sorted(shard, key=lambda item: item.n_tokens)
        for size, place in ((1, 0.5), (1, 0.9), (4, 0.8), (16, 0.4)):
            start = round((len(shard) - size) * place)
            batch = by_length[start : start + size]
            self.outlook.expect(batch, {stage: self._seconds(stage, batch) for stage in STAGES})
        self.outlook.expect_afterwards(Afterwards(KEEPING, SUMMING_UP))
        self._tell()

    def _audit(self, batch: list[Encoded], behind: Shape) -> None:
        self.outlook.start(batch, behind)
        for stage in STAGES:
            seconds = self._seconds(stage, batch)
            self.now += seconds
            if stage != ROWS:
                self.outlook.measured(stage, seconds, 0 if stage.site is None else len(batch))
                self._tell()
        self.outlook.finish()
        self._tell()

    def _seconds(self, stage: Stage, batch: Sequence[Encoded]) -> float:
        exact = self.costs[stage].seconds(Shape.of(item.n_tokens for item in batch))
        return exact * self._draw.uniform(1 - self.noise, 1 + self.noise)

    def _tell(self) -> None:
        self.told.append((self.now, self.outlook.progress()))


def mixed_lengths(n_examples: int) -> list[int]:
    draw = random.Random(0)
    return [3 + int(draw.lognormvariate(3, 0.6)) for _ in range(n_examples)]


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize(
    ("n_examples", "order"), [(200, "mixed"), (450, "short first"), (3000, "mixed")]
)
def test_it_is_right_within_a_fifth_after_the_first_tenth(
    cost: str, n_examples: int, order: str
) -> None:
    lengths = mixed_lengths(n_examples)
    items = encoded(lengths if order == "mixed" else sorted(lengths))
    costs = dict.fromkeys(STAGES, CHEAP) | {CORRELATION: COSTS[cost]}
    audit = Audit(items, costs, noise=0.1).run()
    judged = [(now, step) for now, step in audit.told if now >= audit.now / 10]
    for now, step in judged:
        assert step.seconds_left is not None
        assert step.seconds_left == pytest.approx(audit.now - now, rel=0.2)


COST = st.builds(
    Cost, st.floats(1e-3, 1.0), st.floats(0, 1e-3), st.floats(0, 1e-5), st.floats(0, 1e-2)
)


@settings(deadline=None, max_examples=50)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=40, max_size=200),
    costs=st.fixed_dictionaries(dict.fromkeys(STAGES, COST)),
)
def test_of_costs_that_are_affine_it_is_right_from_the_first_word_on(
    lengths: list[int], costs: dict[Stage, Cost]
) -> None:
    """But for terms that make up little, or that so few trials cannot tell apart."""
    audit = Audit(encoded(lengths), costs).run()
    for now, step in audit.told:
        assert step.seconds_left == pytest.approx(audit.now - now, rel=0.2)


def test_a_stage_that_is_finished_is_left_no_more_though_its_batch_is_not() -> None:
    audit = Audit(encoded([20] * 30), dict.fromkeys(STAGES, COSTS["by token"])).run()
    (_, before), (_, after) = audit.told[1:3]
    assert before.seconds_left is not None
    assert after.seconds_left is not None
    taken = COSTS["by token"].seconds(Shape.of([20] * 30))
    assert before.seconds_left - after.seconds_left == pytest.approx(taken, rel=0.05)


def test_what_comes_after_the_batches_is_left_at_their_end() -> None:
    audit = Audit(encoded(mixed_lengths(600)), dict.fromkeys(STAGES, CHEAP)).run()
    (_, batches), (_, recorded) = audit.told[-2:]
    assert batches.seconds_left == pytest.approx(SUMMING_UP + 100 * KEEPING)
    assert (recorded.n_finished, recorded.n_examples) == (600, 600)
    assert recorded.seconds_left == pytest.approx(SUMMING_UP)


def test_nothing_is_said_before_something_is_known_of_every_stage() -> None:
    audit = Audit(encoded(mixed_lengths(100)), dict.fromkeys(STAGES, CHEAP), is_tried=False).run()
    silent = [step.seconds_left is None for _, step in audit.told]
    assert silent == [True] * 3 + [False] * (len(silent) - 3)


def test_of_data_that_was_not_counted_only_the_examples_are_told() -> None:
    audit = Audit(
        encoded([5, 9, 7] * 100), dict.fromkeys(STAGES, CHEAP), is_tried=False, is_counted=False
    ).run()
    assert audit.told[-1][1] == Progress(300, None, None)


def test_examples_that_were_audited_before_are_not_left() -> None:
    outlook = Outlook(PLAN, [10] * 20, clock=lambda: 0.0)
    outlook.skip(20)
    assert outlook.progress().n_finished == 20


def test_each_site_has_a_cost_of_its_own() -> None:
    """Other attention in an early layer takes a pass through all later ones."""
    items, now = encoded([10] * 40), [0.0]
    early, last = (Stage("permutation", Site(layer)) for layer in (0, 1))
    plan = Plan((Permutation(0.05),), (Site(0), Site(1)), 0, BatchLimits(20, 16_384), 500)
    outlook = Outlook(plan, [50] * 40, clock=lambda: now[0])

    def audit(batch: Sequence[Encoded], behind: Shape) -> list[float | None]:
        left = []
        outlook.start(batch, behind)
        for stage, seconds in ((Stage(READING), 0.0), (early, 10.0), (last, 1.0)):
            now[0] += seconds
            outlook.measured(stage, seconds, 0 if stage.site is None else len(batch))
            left.append(outlook.progress().seconds_left)
        outlook.finish()
        return left

    outlook.begin(items)
    audit(items[:20], Shape.of([10] * 20))
    assert outlook.progress().seconds_left == pytest.approx(11.0)
    assert audit(items[20:], Shape()) == pytest.approx([11.0, 1.0, 0.0])
