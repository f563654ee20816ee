"""The time that is left is right soon, however unlike the batches are."""

import random
from collections.abc import Callable

import pytest

from attn_audit.data.example import Example
from attn_audit.engine.batch_limits import BatchLimits
from attn_audit.engine.batching import spread_batches
from attn_audit.engine.cost import Shape
from attn_audit.engine.outlook import Outlook
from attn_audit.engine.plan import Plan
from attn_audit.engine.watching import Progress
from attn_audit.models.base import Encoded, Unit

LIMITS = BatchLimits(32, 16_384)
COSTS: dict[str, Callable[[Shape], float]] = {
    "by batch": lambda shape: 0.5,
    "by token": lambda shape: 0.02 + 1e-4 * shape.tokens,
    "by square": lambda shape: 0.01 + 1e-4 * shape.tokens + 1e-5 * shape.squares,
}


def encoded(lengths: list[int]) -> list[Encoded]:
    """Texts of so many tokens, of 5 characters on average."""
    draw = random.Random(1)
    sizes = [round(n * draw.uniform(4, 6)) for n in lengths]
    units = [(Unit("x", 0, 1),) * n for n in lengths]
    return [
        Encoded(Example(str(i), "x" * size), units[i], False, None) for i, size in enumerate(sizes)
    ]


def told(
    items: list[Encoded], cost: Callable[[Shape], float], *, counted: bool = True
) -> list[tuple[float, Progress]]:
    """The time at which each batch is finished, and what is then said of the rest."""
    plan, draw = Plan((), (), 0, LIMITS, shard_size=500), random.Random(2)
    sizes = [len(item.example.text) for item in items] if counted else None
    outlook, now, found = Outlook(plan, sizes), 0.0, []
    for start in range(0, len(items), plan.shard_size):
        shard = items[start : start + plan.shard_size]
        outlook.begin(shard)
        waiting = spread_batches(shard, range(len(shard)), LIMITS)
        while waiting:
            batch = [shard[i] for i in waiting.pop(0)]
            seconds = cost(Shape.of(item.n_tokens for item in batch)) * draw.uniform(0.9, 1.1)
            now += seconds
            left = [[shard[i] for i in indices] for indices in waiting]
            found.append((now, outlook.finish(batch, seconds, left)))
    return found


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize(
    ("n_examples", "order"), [(450, "mixed"), (450, "short first"), (3000, "mixed")]
)
def test_it_is_right_within_a_fifth_after_the_first_tenth(
    cost: str, n_examples: int, order: str
) -> None:
    draw = random.Random(0)
    lengths = [3 + int(draw.lognormvariate(3, 0.6)) for _ in range(n_examples)]
    progress = told(encoded(lengths if order == "mixed" else sorted(lengths)), COSTS[cost])
    end = progress[-1][0]
    assert [step.seconds_left is None for _, step in progress[:2]] == [True, False]
    judged = [(now, step) for now, step in progress[1:] if now >= end / 10]
    for now, step in judged:
        assert step.seconds_left is not None
        assert now + step.seconds_left == pytest.approx(end, rel=0.2)


def test_at_the_end_nothing_is_left() -> None:
    last = told(encoded([5, 9, 7] * 100), COSTS["by token"])[-1][1]
    assert last == Progress(300, 300, 0.0)


def test_of_data_that_was_not_counted_only_the_examples_are_told() -> None:
    last = told(encoded([5, 9, 7] * 100), COSTS["by token"], counted=False)[-1][1]
    assert last == Progress(300, None, None)
