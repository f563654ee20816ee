"""One rule for numbers of a report and for changes between two."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attn_audit.errors import ConfigurationError
from attn_audit.findings.rule import Outcome
from attn_audit.judgement.gate import Measurement, bounds_to_judge, judge_bound
from attn_audit.judgement.policy import Bound, Policy
from attn_audit.results.report import Report
from attn_audit.statistics.summary import Estimate, Interval
from tests.judged import MOVED, YARDSTICK, with_number

LEAST = 0.4
tenths = st.integers(0, 10).map(lambda i: i / 10)
ends = st.tuples(tenths, tenths).map(sorted)


def policy(*bounds: Bound, min_accuracy: float | None = None) -> Policy:
    return Policy(name="mine", sha256="0" * 64, bound=bounds, min_accuracy=min_accuracy)


@pytest.mark.parametrize("n_reports", [1, 2])
@given(side=st.sampled_from(["min", "max", "max_drop", "max_rise"]), limit=tenths, found=ends,
       guarded=ends)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_of_an_interval_decides_and_only_where_the_condition_holds(
    report: Report, n_reports: int, side: str, limit: float, found: list[float],
    guarded: list[float],
) -> None:  # fmt: skip
    """A drop is a change below zero; a minimum and a maximum are mirror images."""
    is_least = side in ("min", "max_drop")
    low, high = (-found[1], -found[0]) if side == "max_drop" else found
    bound = Bound.model_validate(
        {"metric": MOVED, side: limit, "only_if": {"metric": YARDSTICK, "min": LEAST}}
    )
    other = with_number(report, YARDSTICK, sum(guarded) / 2, (guarded[0], guarded[1]))
    fulfilling = with_number(report, YARDSTICK, 0.6, (0.5, 0.7))
    measurement = Measurement(
        estimate=Estimate((low + high) / 2, 500, Interval(low, high, "wilson")),
        definition="A number.",
        look_at="There.",
        why_missing=None,
        reports=(fulfilling, other)[-n_reports:],
    )
    judgement = judge_bound(bound, measurement, policy(bound))
    value = -limit if side == "max_drop" else limit
    if guarded[0] < LEAST:
        expected = Outcome.INCONCLUSIVE
    elif (low >= value) if is_least else (high <= value):
        expected = Outcome.PASS
    elif (high < value) if is_least else (low > value):
        expected = Outcome.FAIL
    else:
        expected = Outcome.INCONCLUSIVE
    assert judgement.outcome is expected
    assert (judgement.look_at == "") == (expected is Outcome.PASS)


OF_REPORT = Bound(metric=MOVED, min=0.5)
OF_CHANGE = Bound(metric=MOVED, max_drop=0.1)


def test_each_judge_takes_the_bounds_that_are_its_own() -> None:
    both = policy(OF_REPORT, OF_CHANGE)
    assert bounds_to_judge(both, of_change=False) == (OF_REPORT,)
    assert bounds_to_judge(both, of_change=True) == (OF_CHANGE,)
    assert bounds_to_judge(policy(min_accuracy=0.8), of_change=False) == ()


@pytest.mark.parametrize(
    ("bounds", "of_change", "message", "command"),
    [
        ((OF_CHANGE,), False, "mine bounds no number of a report, so any", "attn-audit compare"),
        ((OF_REPORT,), True, "mine bounds no change, so any would pass", "attn-audit gate"),
    ],
)
def test_a_policy_that_anything_would_pass_is_refused(
    bounds: tuple[Bound, ...], of_change: bool, message: str, command: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        bounds_to_judge(policy(*bounds), of_change=of_change)
    assert command in str(caught.value.hint)
