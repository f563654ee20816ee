"""Bounds of a report: what is judged, what is left open, and what is said of it."""

from datetime import date
from typing import Any

import pytest

from attn_audit.findings import attended, registry
from attn_audit.findings.rule import Outcome
from attn_audit.judgement.gate import judge, where_to_look
from attn_audit.results.report import Report
from attn_audit.results.verdict import Judgement
from tests.judged import GAP, MOVED, YARDSTICK, PolicyOf, with_number, without

TODAY = date(2026, 1, 5)
PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
LEAST = f'[[bound]]\nmetric = "{MOVED}"\nmin = 0.5\n'
MOST = f'[[bound]]\nmetric = "{GAP}"\nmax = 0.15\n'
GUARDED = f'{MOST}only_if = {{ metric = "{YARDSTICK}", min = 0.4 }}\n'


def the_one(report: Report, policy: PolicyOf, text: str) -> Judgement:
    """The judgement of a policy's last bound."""
    return judge(report, policy(text), TODAY).judgements[-1]


@pytest.mark.parametrize(("value", "outcome"), [(0.6, PASS), (0.6001, PASS), (0.5999, FAIL)])
def test_a_number_without_interval_is_judged_by_itself(
    report: Report, policy: PolicyOf, value: float, outcome: Outcome
) -> None:
    text = '[[bound]]\nmetric = "performance.majority_share"\nmin = 0.6\n'
    found = with_number(report, "performance.majority_share", value)
    assert the_one(found, policy, text).outcome is outcome


def test_a_quantile_can_be_bounded(report: Report, policy: PolicyOf) -> None:
    text = '[[bound]]\nmetric = "permutation.distance.q75"\nmin = 0.05\n'
    assert the_one(report, policy, text).outcome is PASS


def test_a_mean_of_one_example_has_no_interval_and_is_left_open(
    report: Report, policy: PolicyOf
) -> None:
    judged = the_one(with_number(report, GAP, 0.01, None, n=1), policy, MOST)
    assert judged.outcome is INCONCLUSIVE
    assert judged.reason == "A single example has no interval."


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_cannot_pass(report: Report, policy: PolicyOf, value: float) -> None:
    judged = the_one(with_number(report, GAP, value, (0.0, 0.1)), policy, MOST)
    assert judged.outcome is INCONCLUSIVE
    assert judged.estimate is None


@pytest.mark.parametrize("interval", [(0.0, 0.1), (0.2, 0.3)])
def test_too_few_examples_behind_a_number_leave_it_open_either_way(
    report: Report, policy: PolicyOf, interval: tuple[float, float]
) -> None:
    few = with_number(report, GAP, sum(interval) / 2, interval, n=99)
    judged = the_one(few, policy, f"min_examples = 100\n{MOST}")
    assert judged.outcome is INCONCLUSIVE
    assert judged.reason == "It rests on 99 examples alone, and 100 are wanted."
    enough = with_number(few, GAP, sum(interval) / 2, interval, n=100)
    assert the_one(enough, policy, f"min_examples = 100\n{MOST}").outcome is not INCONCLUSIVE


def test_a_check_that_was_not_run_is_left_open(report: Report, policy: PolicyOf) -> None:
    judged = the_one(without(report, "permutation"), policy, LEAST)
    assert judged.outcome is INCONCLUSIVE
    assert (
        judged.reason
        == "The permutation check was not run (only correlation, attended, adversarial)."
    )
    assert "--checks correlation,attended,adversarial,permutation" in judged.look_at


def test_a_check_that_raised_is_left_open(report: Report, policy: PolicyOf) -> None:
    judged = the_one(without(report, "permutation", was_run=True), policy, LEAST)
    assert judged.outcome is INCONCLUSIVE
    assert "raised an error" in judged.reason


def test_a_measure_that_was_not_computed_is_left_open(report: Report, policy: PolicyOf) -> None:
    metrics = {name: found for name, found in report.metrics.items() if ".gap." not in name}
    found = report.model_copy(
        update={
            "metrics": metrics,
            "settings": report.settings.model_copy(update={"measures": ("gradient",)}),
        }
    )
    judged = the_one(found, policy, MOST)
    assert judged.outcome is INCONCLUSIVE
    assert judged.reason == "It needs leave_one_out, which was not computed (only gradient)."
    assert judged.look_at == "Audit again with `--measures gradient,leave_one_out`."


def test_measures_that_were_not_computed_are_named(report: Report, policy: PolicyOf) -> None:
    asked = report.settings.model_copy(update={"measures": ("gradient", "leave_one_out")})
    found = report.model_copy(update={"settings": asked})
    bound = '[[bound]]\nmetric = "correlation.attention_rollout"\nmin = 0.1'
    judged = the_one(found, policy, bound)
    assert judged.reason == (
        "It needs rollout, which was not computed (only gradient, leave_one_out)."
    )
    assert judged.look_at == "Audit again with `--measures gradient,leave_one_out,rollout`."


def test_without_labels_accuracy_is_left_open(unlabelled: Report, policy: PolicyOf) -> None:
    for name in ("performance.accuracy", "permutation.uniform.accuracy_change"):
        judged = the_one(unlabelled, policy, f'[[bound]]\nmetric = "{name}"\nmin = 0\n')
        assert judged.outcome is INCONCLUSIVE
        assert judged.reason == "The data has no labels."


def test_a_number_that_no_example_has_is_left_open(report: Report, policy: PolicyOf) -> None:
    judged = the_one(with_number(report, GAP, None, None, n=0), policy, MOST)
    assert judged.outcome is INCONCLUSIVE
    assert judged.reason == "The correlation check has no such number of any example."


def having_run(report: Report, check: str, **settings: Any) -> Report:
    """As if another check had been run, and had left no number but of attention."""
    changed = {"checks": (*report.settings.checks, check), **settings}
    metrics = report.metrics | {f"{check}.attention": report.metrics["permutation.distance"]}
    of_check = report.settings.model_copy(update=changed)
    return report.model_copy(update={"settings": of_check, "metrics": metrics})


@pytest.mark.parametrize(
    ("metric", "asked", "reason", "look_at"),
    [
        ("erasure.rollout.gap", {"measures": ("leave_one_out",)},
         "It needs rollout, which was not computed (only leave_one_out).",
         "Audit again with `--measures leave_one_out,rollout`."),
        ("erasure.gradient_x_input_magnitude.score", {"measures": ("leave_one_out",)},
         "It needs gradient_x_input, which was not computed (only leave_one_out).",
         "Audit again with `--measures leave_one_out,gradient_x_input`."),
        # All measures that the model has were tried.
        ("erasure.rollout", {},
         "It needs rollout, which was not computed (only none).",
         "This model has no such scores, which need several layers of attention, from the text's "
         "tokens to the same tokens: bound another measure."),
        ("plausibility.rollout.auprc", {},
         "It needs rollout, which was not computed (only gradient, leave_one_out).",
         "Audit again with `--measures gradient,leave_one_out,rollout`."),
    ],
)  # fmt: skip
def test_what_is_of_a_measure_names_it_and_how_to_ask_for_it(
    report: Report,
    policy: PolicyOf,
    metric: str,
    asked: dict[str, Any],
    reason: str,
    look_at: str,
) -> None:
    found = having_run(report, metric.partition(".")[0], **asked)
    judged = the_one(found, policy, f'[[bound]]\nmetric = "{metric}"\nmin = 0.1')
    assert judged.outcome is INCONCLUSIVE
    assert (judged.reason, judged.look_at) == (reason, look_at)


def test_scores_that_a_product_shows_are_asked_for_by_their_field(
    report: Report, policy: PolicyOf
) -> None:
    with registry.added():
        registry.add_shown(["lime"])
        bound = '[[bound]]\nmetric = "erasure.shown.lime"\nmin = 0.1'
        judged = the_one(having_run(report, "erasure", measures=("rollout",)), policy, bound)
    assert judged.reason == "It needs shown.lime, which was not computed (only rollout)."
    assert judged.look_at == "Audit again with `--shown lime`, of data that has these scores."


def test_what_is_asked_for_and_of_no_example_says_where_a_record_has_none(
    report: Report, policy: PolicyOf
) -> None:
    found = having_run(report, "erasure", measures=("leave_one_out",))
    bound = '[[bound]]\nmetric = "erasure.leave_one_out.neutral"\nmin = 0.1'
    judged = the_one(found, policy, bound)
    assert "A record has none where the check was not run" in judged.reason
    assert "the model cannot be asked with neutral units." in judged.reason


def test_marked_words_take_data_that_has_them(report: Report, policy: PolicyOf) -> None:
    bound = '[[bound]]\nmetric = "plausibility.attention.auprc"\nmin = 0.1'
    judged = the_one(report, policy, bound)
    assert judged.look_at.startswith("Audit data that has a `rationale` with `--checks ")


def test_a_condition_that_does_not_hold_is_named(report: Report, policy: PolicyOf) -> None:
    found = with_number(report, YARDSTICK, 0.3, (0.29, 0.31))
    judged = the_one(found, policy, GUARDED)
    assert f"only where {YARDSTICK} is at least 0.4" in judged.reason
    assert "0.300 [0.290, 0.310]" in judged.reason


def test_a_condition_on_a_share_is_written_in_percent(report: Report, policy: PolicyOf) -> None:
    found = with_number(report, "permutation.half_margin", 0.3, (0.25, 0.35))
    guard = '{ metric = "permutation.half_margin", max = 0.05 }'
    judged = the_one(found, policy, f"{MOST}only_if = {guard}\n")
    assert "only where permutation.half_margin is at most 5%, and" in judged.reason
    assert "that is 30% [25%, 35%]." in judged.reason


def test_a_condition_that_was_not_measured_does_not_hold(report: Report, policy: PolicyOf) -> None:
    text = f'{LEAST}only_if = {{ metric = "{YARDSTICK}", min = 0.4 }}\n'
    judged = the_one(without(report, "correlation"), policy, text)
    assert judged.outcome is INCONCLUSIVE
    assert "The correlation check was not run" in judged.reason


def test_what_did_not_pass_says_where_to_look(report: Report, policy: PolicyOf) -> None:
    failed = the_one(with_number(report, MOVED, 0.1, (0.09, 0.11)), policy, LEAST)
    assert "shuffling changes least: eczd20f, " in failed.look_at
    passed = the_one(with_number(report, MOVED, 0.6, (0.59, 0.61)), policy, LEAST)
    assert passed.look_at == ""


def test_examples_are_named_for_the_number_that_they_show_alone(report: Report) -> None:
    def shown(metric: str) -> list[str]:
        return [each.reason for each in attended.FINDINGS.telling if each.shows(metric)]

    assert shown("attended.unattended_decide") == ["unattended"]
    assert shown("attended.polarity") == ["against"]
    assert shown("attended.top_effect_small") == []
    looked = where_to_look("attended", report, "attended.top_effect_small")
    assert looked == "The attended section of the report."


@pytest.mark.parametrize(
    ("metric", "by"),
    [
        ("attended.unattended_decide", ", by confidence;"),
        ("attended.top_effect", "."),  # no example is telling of it
        ("permutation.moved", ";"),
        ("permutation.half_margin", ", by confidence;"),
        (
            "permutation.distance",
            ", by largest weight and by prediction and by length and by confidence;",
        ),
    ],
)
def test_only_tables_that_a_number_has_are_where_to_look(
    report: Report, metric: str, by: str
) -> None:
    check = metric.partition(".")[0]
    place = f"The {check} section of the report"
    assert where_to_look(check, report, metric).startswith(f"{place}{by}")


def test_what_did_not_pass_names_three_examples(report: Report, policy: PolicyOf) -> None:
    failed = the_one(with_number(report, MOVED, 0.1, (0.09, 0.11)), policy, LEAST)
    assert failed.look_at.rpartition(": ")[2].count(", ") == 2


@pytest.mark.parametrize(
    ("level", "high", "outcome"),
    [("no", 0.484, FAIL), ("no", 0.485, INCONCLUSIVE), ("fail", 0.485, FAIL)],
)
def test_what_alone_answers_no_fails_only_on_an_interval_of_98_percent(
    report: Report, policy: PolicyOf, level: str, high: float, outcome: Outcome
) -> None:
    """Such an interval is 2.326 / 1.960 times as wide: up to 0.4997, and up to 0.5009."""
    found = with_number(report, MOVED, 0.4, (0.3, high), n=500)
    assert the_one(found, policy, f'{LEAST}level = "{level}"\n').outcome is outcome


def test_an_open_bound_says_how_many_examples_would_decide(
    report: Report, policy: PolicyOf
) -> None:
    found = with_number(report, MOVED, 0.525, (0.475, 0.575), n=500)
    assert the_one(found, policy, LEAST).look_at.startswith("About 2,000 examples would decide")
    on_it = with_number(report, MOVED, 0.5, (0.475, 0.575), n=500)
    assert the_one(on_it, policy, LEAST).look_at.startswith("The number is all but on the limit")


def test_an_open_bound_says_that_the_data_holds_more(report: Report, policy: PolicyOf) -> None:
    on_it = with_number(report, MOVED, 0.5, (0.475, 0.575), n=500)
    n_rows = report.data.n_read + 174
    drawn = {"n_rows": n_rows, "limit": report.data.n_read, "left_out": (), "n_choosing": 0}
    found = on_it.model_copy(update={"data": report.data.model_copy(update=drawn)})
    said = "The number is all but on the limit. `--limit` left out 174 examples."
    assert the_one(found, policy, LEAST).look_at.startswith(said)


def test_a_limit_below_zero_is_not_reached_from_above(report: Report, policy: PolicyOf) -> None:
    found = with_number(report, MOVED, 0.6, (0.55, 0.65), n=500)
    assert the_one(found, policy, LEAST).reason == "The whole interval lies at or above 50%."
