"""What summing up will take grows with the examples: drawn anew up to some, not above."""

import pytest

from attn_audit.reporting.forecasting import SummingUp
from attn_audit.statistics.resamples import LARGEST_BOOTSTRAP_N

COST = SummingUp(per_record=0.25, fixed=2.0, per_example=0.5, per_example_of_many=0.125)


@pytest.mark.parametrize("n", [1, 500, LARGEST_BOOTSTRAP_N])
def test_a_fixed_part_and_one_for_each_example_are_added(n: int) -> None:
    assert COST.seconds(n) == 2.0 + sum(0.25 + 0.5 for _ in range(n))


def test_many_examples_are_not_drawn_anew() -> None:
    n = LARGEST_BOOTSTRAP_N + 1
    assert COST.seconds(n) == sum(0.25 + 0.125 for _ in range(n))
