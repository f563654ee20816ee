"""A few examples are tried before the first batch, so that the time left is said from the start."""

import math
from collections.abc import Sequence

import pytest

from attn_audit.checks.adversarial.check import Adversarial, Method
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.permutation import Permutation
from attn_audit.engine import first_look as first_look_module
from attn_audit.engine.first_look import MIN_EXAMPLES, first_look
from attn_audit.engine.outlook import Outlook
from attn_audit.engine.plan import Plan
from attn_audit.models.base import Batch, Reading, Site
from tests.rows import RowsModel, texts

PLAN = Plan((Correlation(), Permutation(0.05, 9), Adversarial(0.05)), (Site(1),), seed=0)


class Watched(RowsModel):
    """Knows what it has read."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, int]] = []

    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        self.shapes.append((batch.unit_mask.shape[0], batch.unit_mask.shape[1]))
        return super().read(batch, sites)


class Failing(RowsModel):
    """Cannot read."""

    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        raise RuntimeError("no")


def look(model: RowsModel, n_examples: int, plan: Plan = PLAN) -> tuple[float | None, int]:
    """The time left that is said then, and how many records it rests on."""
    encoded = model.encode(texts(*(5 + i % 17 for i in range(n_examples))))
    outlook = Outlook(plan, [len(item.example.text) for item in encoded])
    outlook.begin(encoded)
    found = first_look(model, plan, encoded, outlook)
    return outlook.progress().seconds_left, len(found)


def test_the_time_left_is_known_after_it() -> None:
    left, n_found = look(RowsModel(), 100)
    assert left is not None
    assert left > 0
    assert n_found >= 2


def test_only_a_few_are_tried_of_middling_and_large_length() -> None:
    model = Watched()
    look(model, 100)
    assert max(n for n, _ in model.shapes) <= 16
    assert {13, 18} <= {length for _, length in model.shapes}


def test_a_search_is_tried_with_few_steps_and_counted_with_all() -> None:
    seconds = []
    for n_iterations in (15, 15_000):
        check = Adversarial(0.05, Method.GRADIENT, n_iterations)
        left, _ = look(RowsModel(), 100, Plan((check,), (Site(1),), seed=0))
        assert left is not None
        seconds.append(left)
    assert seconds[1] > 10 * seconds[0]


@pytest.mark.parametrize(("slow", "expected"), [(0.0, {6, 32}), (math.inf, {32, 80})])
def test_a_slow_search_is_tried_on_fewer_besides_and_a_quick_one_on_more(
    monkeypatch: pytest.MonkeyPatch, slow: float, expected: set[int]
) -> None:
    monkeypatch.setattr(first_look_module, "SLOW", slow)
    model = Watched()
    look(model, 500, Plan((Adversarial(0.05, Method.GRADIENT, 100),), (Site(1),), seed=0))
    assert {n for n, _ in model.shapes} & {6, 32, 80} == expected


def test_of_very_few_examples_none_is_tried() -> None:
    assert look(RowsModel(), MIN_EXAMPLES - 1) == (None, 0)


def test_an_error_is_left_to_the_audit() -> None:
    assert look(Failing(), 100) == (None, 0)
