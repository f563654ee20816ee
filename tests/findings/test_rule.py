import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from attn_audit.findings.rule import Outcome, examples_that_would_decide, outcome_of
from attn_audit.statistics.summary import Interval

numbers = st.floats(-2, 2)


def interval(a: float, b: float) -> Interval:
    return Interval(low=min(a, b), high=max(a, b), method="bootstrap")


@given(numbers, numbers, numbers)
def test_the_least_and_the_most_mirror_each_other(a: float, b: float, limit: float) -> None:
    centre = (a + b) / 2
    least = outcome_of("min", limit, centre, interval(a, b))
    assert least is outcome_of("max", -limit, -centre, interval(-a, -b))


@given(numbers, numbers, numbers)
def test_inconclusive_is_what_holds_the_limit_inside(a: float, b: float, limit: float) -> None:
    ends = interval(a, b)
    is_open = outcome_of("min", limit, (a + b) / 2, ends) is Outcome.INCONCLUSIVE
    assert is_open == (ends.low < limit <= ends.high)


@given(numbers, numbers)
def test_a_number_alone_is_never_inconclusive(value: float, limit: float) -> None:
    for direction in ("min", "max"):
        assert outcome_of(direction, limit, value, None) is not Outcome.INCONCLUSIVE


def test_nan_is_inconclusive() -> None:
    assert outcome_of("min", 0.5, float("nan"), None) is Outcome.INCONCLUSIVE


@given(st.floats(0.4, 0.6), st.floats(0.01, 0.1), st.integers(10, 10_000))
def test_so_many_examples_would_bring_the_interval_to_the_limit(
    estimate: float, half: float, n: int
) -> None:
    ends = interval(estimate - half, estimate + half)
    assume(ends.low < 0.5 <= ends.high)
    needed = examples_that_would_decide(0.5, estimate, ends, n)
    if needed is None:
        assert abs(estimate - 0.5) <= half / 5 * (1 + 1e-9)
        return
    shrunk = half * (n / needed) ** 0.5
    assert shrunk == pytest.approx(abs(estimate - 0.5), rel=0.06)
    assert shrunk <= abs(estimate - 0.5) * (1 + 1e-9)
