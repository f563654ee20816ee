"""A whole policy: requirements, waivers, levels, and the worst of them all."""

from datetime import date, timedelta
from math import nextafter

import pytest

from attn_audit.errors import ConfigurationError
from attn_audit.findings.rule import Outcome
from attn_audit.judgement.answer import answer_of
from attn_audit.judgement.gate import judge
from attn_audit.judgement.policy import load_policy
from attn_audit.results.report import Report
from attn_audit.results.verdict import Judgement, Verdict
from tests.judged import GAP, MOVED, PolicyOf, may_be_shown, with_number, without

TODAY = date(2026, 1, 5)
PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
BOUND = f'[[bound]]\nmetric = "{MOVED}"\nmin = 0.5\n'
WARNING = f'{BOUND}level = "warn"\n'
WAIVER = f'[[waiver]]\nmetric = "{MOVED}"\nreason = "known since May"\nexpires = 2026-01-05\n'


def failing(report: Report) -> Report:
    return with_number(report, MOVED, 0.1, (0.09, 0.11))


def passing(report: Report) -> Report:
    return with_number(report, MOVED, 0.6, (0.59, 0.61))


def of(verdict: Verdict, name: str) -> Judgement:
    return next(judgement for judgement in verdict.judgements if judgement.metric == name)


@pytest.mark.parametrize(("n", "outcome"), [(99, INCONCLUSIVE), (100, PASS), (101, PASS)])
def test_too_few_examples_are_inconclusive(
    report: Report, policy: PolicyOf, n: int, outcome: Outcome
) -> None:
    data = report.data.model_copy(update={"n_examples": n})
    found = passing(report).model_copy(update={"data": data})
    verdict = judge(found, policy(f"min_examples = 100\n{BOUND}"), TODAY)
    assert of(verdict, "min_examples").outcome is outcome
    assert verdict.outcome is outcome


def covering(report: Report, n: int) -> Report:
    """Permutation's numbers from n of 2000 examples."""
    data = report.data.model_copy(update={"n_examples": 2000})
    found = report.model_copy(update={"data": data})
    return with_number(found, "permutation.distance", 0.1, (0.09, 0.11), n=n)


@pytest.mark.parametrize(("n", "outcome"), [(1899, INCONCLUSIVE), (1900, PASS), (1901, PASS)])
def test_a_check_that_covers_too_little_cannot_pass(
    report: Report, policy: PolicyOf, n: int, outcome: Outcome
) -> None:
    verdict = judge(covering(passing(report), n), policy(f"min_coverage = 0.95\n{BOUND}"), TODAY)
    assert of(verdict, "min_coverage").outcome is outcome
    assert of(verdict, MOVED).outcome is outcome
    assert verdict.outcome is outcome


def test_a_check_that_covers_too_little_can_fail(report: Report, policy: PolicyOf) -> None:
    verdict = judge(covering(failing(report), 1000), policy(f"min_coverage = 0.95\n{BOUND}"), TODAY)
    assert of(verdict, MOVED).outcome is FAIL
    assert verdict.outcome is FAIL


def test_coverage_of_correlation_is_of_every_tau(report: Report, policy: PolicyOf) -> None:
    found = with_number(report, GAP, 0.1, (0.09, 0.11), n=150)
    text = f'min_coverage = 0.95\n[[bound]]\nmetric = "{GAP}"\nmax = 0.15\n'
    covered = of(judge(found, policy(text), TODAY), "min_coverage")
    assert covered.estimate == 150 / 209


def test_coverage_is_of_the_checks_that_are_bound(report: Report, policy: PolicyOf) -> None:
    found = with_number(passing(report), GAP, 0.1, (0.09, 0.11), n=3)
    assert judge(found, policy(f"min_coverage = 0.95\n{BOUND}"), TODAY).outcome is PASS


def test_coverage_of_a_check_that_only_warns_only_warns(report: Report, policy: PolicyOf) -> None:
    verdict = judge(covering(report, 1000), policy(f"min_coverage = 0.95\n{WARNING}"), TODAY)
    assert of(verdict, "min_coverage").outcome is INCONCLUSIVE
    assert verdict.outcome is PASS


def test_no_example_at_all_is_inconclusive(report: Report, policy: PolicyOf) -> None:
    data = report.data.model_copy(update={"n_examples": 0})
    found = with_number(report, MOVED, None, None, n=0).model_copy(update={"data": data})
    assert judge(found, policy(f"min_coverage = 0.95\n{BOUND}"), TODAY).outcome is INCONCLUSIVE


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [
        ((0.7, 0.8), PASS),
        ((nextafter(0.7, 0), 0.8), INCONCLUSIVE),
        ((0.6, nextafter(0.7, 0)), FAIL),
    ],
)
def test_accuracy_is_judged_on_its_interval(
    report: Report, policy: PolicyOf, interval: tuple[float, float], outcome: Outcome
) -> None:
    found = with_number(report, "performance.accuracy", sum(interval) / 2, interval)
    assert judge(found, policy("min_accuracy = 0.7"), TODAY).outcome is outcome


def test_accuracy_without_labels_is_inconclusive(unlabelled: Report, policy: PolicyOf) -> None:
    assert judge(unlabelled, policy("min_accuracy = 0.7"), TODAY).outcome is INCONCLUSIVE


def test_a_warning_is_said_and_changes_nothing(report: Report, policy: PolicyOf) -> None:
    verdict = judge(failing(report), policy(WARNING), TODAY)
    assert of(verdict, MOVED).outcome is FAIL
    assert verdict.outcome is PASS


def test_a_failure_outweighs_what_is_inconclusive(report: Report, policy: PolicyOf) -> None:
    text = f'{BOUND}[[bound]]\nmetric = "{GAP}"\nmax = 0.15\n'
    found = without(failing(report), "correlation")
    assert judge(found, policy(text), TODAY).outcome is FAIL


@pytest.mark.parametrize("was_run", [True, False])
def test_a_check_that_raised_or_was_not_run_cannot_pass(
    report: Report, policy: PolicyOf, was_run: bool
) -> None:
    found = without(report, "permutation", was_run=was_run)
    assert judge(found, policy(BOUND), TODAY).outcome is INCONCLUSIVE


def test_a_waiver_holds_through_its_last_day(report: Report, policy: PolicyOf) -> None:
    verdict = judge(failing(report), policy(BOUND + WAIVER), TODAY)
    waived = of(verdict, MOVED)
    assert waived.outcome is FAIL
    assert waived.waiver is not None
    assert waived.waiver.reason == "known since May"
    assert verdict.outcome is PASS


def test_an_expired_waiver_fails_and_says_so(report: Report, policy: PolicyOf) -> None:
    verdict = judge(failing(report), policy(BOUND + WAIVER), TODAY + timedelta(days=1))
    expired = of(verdict, MOVED)
    assert expired.waiver is None
    assert expired.reason.endswith("Its waiver expired on 2026-01-05.")
    assert verdict.outcome is FAIL


def test_a_waiver_that_is_not_needed_says_so(report: Report, policy: PolicyOf) -> None:
    verdict = judge(passing(report), policy(BOUND + WAIVER), TODAY + timedelta(days=1))
    assert of(verdict, MOVED).reason.endswith("Its waiver is not needed.")
    assert verdict.outcome is PASS


def test_what_is_inconclusive_can_be_waived(report: Report, policy: PolicyOf) -> None:
    found = without(report, "permutation")
    assert judge(found, policy(BOUND + WAIVER), TODAY).outcome is PASS


@pytest.mark.parametrize(
    "text",
    ["", "min_examples = 10", f'[[bound]]\nmetric = "{MOVED}"\nmax_drop = 0.1\n'],
)
def test_a_policy_that_anything_would_pass_is_refused(
    report: Report, policy: PolicyOf, text: str
) -> None:
    with pytest.raises(ConfigurationError, match="bounds no number of a report"):
        judge(report, policy(text), TODAY)


def test_bounds_of_changes_are_left_to_comparing(report: Report, policy: PolicyOf) -> None:
    text = f'{BOUND}[[bound]]\nmetric = "{GAP}"\nmax_rise = 0\n'
    verdict = judge(passing(report), policy(text), TODAY)
    assert [judgement.metric for judgement in verdict.judgements] == [MOVED]


def test_the_packaged_rules_can_be_passed(report: Report) -> None:
    shown = may_be_shown(report)
    found = shown.model_copy(update={"answer": answer_of(shown)})
    assert judge(found, load_policy(), TODAY).outcome is PASS
