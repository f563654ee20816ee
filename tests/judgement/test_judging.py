"""Bounds of changes: held against both reports; what cannot be judged is left open."""

from datetime import date
from pathlib import Path

import pytest

from attn_audit.errors import ConfigurationError
from attn_audit.findings.registry import statistics
from attn_audit.findings.rule import Outcome
from attn_audit.judgement.comparison import judge_changes
from attn_audit.results.report import Report
from attn_audit.results.verdict import Change, Judgement
from attn_audit.statistics.summary import Interval
from tests.judged import GAP, MOVED, YARDSTICK, compare, policy_from, with_number, without

TODAY = date(2026, 1, 5)
PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
DROP = f'[[bound]]\nmetric = "{MOVED}"\nmax_drop = 0.02\n'
RISE = f'[[bound]]\nmetric = "{GAP}"\nmax_rise = 0.02\n'


def changed(name: str, low: float, high: float, n: int = 1500) -> Change:
    return Change(
        metric=name,
        definition=statistics()[name].definition,
        base=0.5,
        new=0.5 + (low + high) / 2,
        difference=(low + high) / 2,
        interval=Interval(low=low, high=high, method="bootstrap"),
        effect_size=None,
        n=n,
        n_undefined=0,
        is_paired=True,
    )


def judged(
    report: Report, folder: Path, text: str, change: Change | None, new: Report | None = None
) -> Judgement:
    policy = policy_from(folder, text)
    metric = policy.bounds[0].metric
    verdict = judge_changes(report, new or report, {metric: change}, policy, TODAY)
    (judgement,) = verdict.judgements
    return judgement


@pytest.mark.parametrize(
    ("text", "low", "high", "outcome"),
    [
        (DROP, -0.02, 0.1, PASS),
        (DROP, -0.020001, 0.1, INCONCLUSIVE),
        (DROP, -0.1, -0.020001, FAIL),
        (RISE, -0.1, 0.02, PASS),
        (RISE, 0.020001, 0.1, FAIL),
    ],
)
def test_a_change_is_judged_on_its_interval(
    report: Report, tmp_path: Path, text: str, low: float, high: float, outcome: Outcome
) -> None:
    change = changed(MOVED if text == DROP else GAP, low, high)
    assert judged(report, tmp_path, text, change).outcome is outcome


def test_examples_that_would_decide_a_change_are_those_of_each_report(
    report: Report, tmp_path: Path
) -> None:
    one = judged(report, tmp_path, DROP, changed(MOVED, -0.03, 0.01))
    assert "examples in each report would decide" in one.look_at


def test_too_few_pairs_are_inconclusive(report: Report, tmp_path: Path) -> None:
    one = judged(report, tmp_path, f"min_examples = 100\n{DROP}", changed(MOVED, 0, 0.1, n=99))
    assert one.outcome is INCONCLUSIVE
    assert "It rests on 99 examples alone" in one.reason


def test_a_number_that_one_report_lacks_is_inconclusive(report: Report, tmp_path: Path) -> None:
    one = judged(report, tmp_path, DROP, None, without(report, "permutation", was_run=True))
    assert one.outcome is INCONCLUSIVE
    assert one.reason.startswith("The new report does not hold it.")
    assert "raised an error" in one.reason


def test_a_condition_has_to_hold_in_both_reports(report: Report, tmp_path: Path) -> None:
    text = f'{RISE}only_if = {{ metric = "{YARDSTICK}", min = 0.4 }}\n'
    high = with_number(report, YARDSTICK, 0.6, (0.5, 0.7))
    low = with_number(report, YARDSTICK, 0.3, (0.2, 0.4))
    change = changed(GAP, 0.1, 0.2)
    assert judged(high, tmp_path, text, change, high).outcome is FAIL
    assert judged(high, tmp_path, text, change, low).outcome is INCONCLUSIVE
    assert judged(low, tmp_path, text, change, high).outcome is INCONCLUSIVE


def test_what_covers_too_little_in_one_report_cannot_pass(report: Report, tmp_path: Path) -> None:
    text = f"min_coverage = 0.95\n{DROP}"
    few = with_number(report, "permutation.distance", 0.1, (0.0, 0.2), n=100)
    assert judged(report, tmp_path, text, changed(MOVED, 0, 0.1), few).outcome is INCONCLUSIVE
    assert judged(few, tmp_path, text, changed(MOVED, -0.2, -0.1)).outcome is FAIL


def test_a_policy_without_bounds_of_changes_is_refused(base: Path, tmp_path: Path) -> None:

    policy = policy_from(tmp_path, f'[[bound]]\nmetric = "{MOVED}"\nmin = 0.5\n')
    with pytest.raises(ConfigurationError, match="bounds no change"):
        compare(base, base, policy)
