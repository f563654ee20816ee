"""The answer: by the packaged rules alone, with the number that decided and what it means."""

from datetime import date
from math import nextafter
from typing import Literal

import pytest

from attn_audit.findings.metric import ExampleMetric
from attn_audit.findings.performance import ROC_AUC
from attn_audit.findings.registry import metrics
from attn_audit.findings.rule import Outcome
from attn_audit.judgement.answer import answer_of, without_texts
from attn_audit.judgement.gate import judge
from attn_audit.judgement.policy import load_policy
from attn_audit.results.report import Report
from attn_audit.results.verdict import Answer, CountedUnit, Judgement, Level, MayShow
from attn_audit.statistics.summary import Interval
from tests.judged import (
    MOVED,
    RULES,
    PolicyOf,
    may_be_shown,
    with_metric,
    with_number,
    without,
    without_metric,
)
from tests.simulations import error_rates

YES, HINT, NO, UNKNOWN = MayShow.YES, MayShow.HINT, MayShow.NO, MayShow.UNKNOWN

BROKEN = {
    "reach": (0.01, 0.04),
    "unattended": (0.08, 0.12),
    "order": (-0.5, -0.3),
    "small": (0.7, 0.8),
    "polarity": (0.6, 0.7),
}
"""Intervals that wholly violate the rules of level no."""

STRADDLING = {
    "reach": (0.05, 0.15),
    "unattended": (0.04, 0.06),
    "order": (-0.1, 0.1),
    "small": (0.4, 0.6),
    "polarity": (0.4, 0.6),
}

DOUBTED = {"half": (0.1, 0.2), "polarity": (0.3, 0.4)}
"""Intervals that wholly violate the rules of level hint."""


def with_answer(report: Report) -> Report:
    return report.model_copy(update={"answer": answer_of(report)})


def clause(
    rule: str, kind: Literal["passes", "fails"], number: str, level: Level | None = None
) -> str:
    """What a rule says of its number: of its level, where two are of one number."""
    (bound,) = (
        bound
        for bound in load_policy().bounds
        if bound.metric == RULES[rule] and level in (None, bound.level)
    )
    words: str = getattr(bound, kind)
    return words.format(number=number, target="the prediction")


def capital(text: str) -> str:
    return text[0].upper() + text[1:]


def test_all_rules_fulfilled_answer_yes_with_the_limits(report: Report) -> None:
    answer = answer_of(may_be_shown(report))
    reach = clause("reach", "passes", "92.5% [90%, 95.0%]")
    unattended = clause("unattended", "passes", "1.5% [1.0%, 2.0%]")
    assert answer.verdict is YES
    assert answer.sentence == (
        f"Attention may be shown as the reason: {reach} and {unattended}. Say beside it that "
        "words with hardly any attention may decide up to 2.0% of the texts."
    )
    assert answer.because == tuple(dict.fromkeys(RULES[rule] for rule, *_ in LIMITS))
    assert answer.units == ()


@pytest.mark.parametrize(
    ("rule", "number"),
    [
        ("unattended", "10% [8.0%, 12%]"),
        ("order", "-0.40 [-0.50, -0.30]"),
        ("small", "75% [70%, 80%]"),
        ("polarity", "65% [60%, 70%]"),
    ],
)
def test_one_rule_wholly_violated_answers_no_and_says_what_it_means(
    report: Report, rule: str, number: str
) -> None:
    answer = answer_of(may_be_shown(report, **{rule: BROKEN[rule]}))
    assert (answer.verdict, answer.because) == (NO, (RULES[rule],))
    found = capital(clause(rule, "fails", number, Level.NO))
    assert answer.sentence == f"{found}. Do not show attention as the reason."


def test_attention_that_cannot_move_an_output_is_said_to_be_no_reason(report: Report) -> None:
    answer = answer_of(may_be_shown(report, reach=BROKEN["reach"]))
    assert (answer.verdict, answer.because) == (NO, (RULES["reach"],))
    found = clause("reach", "fails", "2.5% [1.0%, 4.0%]")
    first = "This output hardly depends on attention"
    assert answer.sentence == f"{first}: {found}. Do not show it as the reason."


def test_no_is_said_by_the_first_rule_and_because_of_all(report: Report) -> None:
    broken = {rule: interval for rule, interval in BROKEN.items() if rule != "reach"}
    answer = answer_of(may_be_shown(report, **broken))
    found = capital(clause("unattended", "fails", "10% [8.0%, 12%]"))
    assert answer.sentence.startswith(f"{found}. Do not show")
    assert answer.because == tuple(RULES[rule] for rule in broken)


def test_attention_that_hardly_matters_is_all_that_is_said(report: Report) -> None:
    """The other rules are about what hardly matters."""
    answer = answer_of(may_be_shown(report, **BROKEN))
    assert answer.sentence.startswith("This output hardly depends on attention")
    assert answer.because == (RULES["reach"],)


@pytest.mark.parametrize("rule", STRADDLING)
def test_an_interval_that_straddles_the_limit_cannot_be_told(report: Report, rule: str) -> None:
    answer = answer_of(may_be_shown(report, **{rule: STRADDLING[rule]}))
    assert (answer.verdict, answer.because) == (UNKNOWN, (RULES[rule],))
    assert "before that is known" in answer.sentence


def test_what_straddles_is_said_with_its_number_and_the_limit(report: Report) -> None:
    answer = answer_of(may_be_shown(report, unattended=STRADDLING["unattended"]))
    found = capital(clause("unattended", "passes", "5.0% [4.0%, 6.0%]"))
    assert answer.sentence == (
        f"{found}, and the limit is 5%: these texts cannot decide, and many more hardly would: it "
        "is all but on the limit. Do not show attention as the reason before that is known."
    )


def test_how_many_texts_would_decide_is_said_at_once(report: Report) -> None:
    found = may_be_shown(report, unattended=(0.03, 0.06))
    assert "these texts cannot decide; about 18,000 would, if the number stays. Do" in (
        answer_of(found).sentence
    )


def test_a_hint_that_fails_limits_what_is_open(report: Report) -> None:
    """More texts cannot make a Yes of it; a hint that is open may still pass."""
    straddling = STRADDLING["unattended"]
    failed = may_be_shown(report, unattended=straddling, half=DOUBTED["half"])
    answer = answer_of(failed)
    assert (answer.verdict, answer.because) == (UNKNOWN, (RULES["unattended"],))
    assert answer.sentence.endswith(
        "Do not show attention before that is known, and then at most as where the model looked, "
        f"not as the reason: {clause('half', 'fails', '15% [10%, 20%]', Level.HINT)}."
    )
    opened = answer_of(may_be_shown(report, unattended=straddling, half=(0.2, 0.3)))
    assert opened.sentence.endswith("Do not show attention as the reason before that is known.")


def test_without_texts_no_record_names_the_word_that_decides(report: Report) -> None:
    decider = "attended.decider"
    assert any(each.record[decider] for each in report.telling_examples)
    hidden = without_texts(report)
    assert not any(each.record[decider] for each in hidden.telling_examples)
    assert not any(record[decider] for record in hidden.sampled_examples)


def test_all_rules_that_are_open_are_named(report: Report) -> None:
    two = {rule: STRADDLING[rule] for rule in ("unattended", "order")}
    sentence = answer_of(may_be_shown(report, **two)).sentence
    assert "limit. 1 other rule is open as well: correlation.attention_margin. Do" in sentence
    three = two | {"polarity": STRADDLING["polarity"]}
    sentence = answer_of(may_be_shown(report, **three)).sentence
    named = "correlation.attention_margin, attended.polarity"
    assert f" 2 other rules are open as well: {named}. Do not show" in sentence


def test_too_few_texts_leave_every_rule_open_which_is_said_once(report: Report) -> None:
    data = report.data.model_copy(update={"n_examples": 20})
    answer = answer_of(report.model_copy(update={"data": data}))
    assert len(answer.because) > 1
    assert "open as well" not in answer.sentence


@pytest.mark.parametrize("check", ["correlation", "attended", "permutation"])
@pytest.mark.parametrize("was_run", [True, False])
def test_a_check_that_is_missing_cannot_be_told(report: Report, check: str, was_run: bool) -> None:
    answer = answer_of(without(may_be_shown(report), check, was_run=was_run))
    assert answer.verdict is UNKNOWN
    assert {name.partition(".")[0] for name in answer.because} == {check}
    said = "raised an error" if was_run else "was not run"
    assert answer.sentence.startswith(f"The {check} check was ")
    assert said in answer.sentence


def test_the_search_for_other_attention_answers_nothing(report: Report) -> None:
    assert answer_of(without(may_be_shown(report), "adversarial")).verdict is YES


@pytest.mark.parametrize(("n", "verdict"), [(99, UNKNOWN), (100, YES)])
def test_too_few_texts_cannot_be_told(report: Report, n: int, verdict: MayShow) -> None:
    data = report.data.model_copy(update={"n_examples": n})
    few = may_be_shown(report).model_copy(update={"data": data})
    answer = answer_of(few)
    assert answer.verdict is verdict
    if verdict is UNKNOWN:
        assert answer.because == ("min_examples",)
        assert "Nothing is decided by" in answer.sentence
        assert "100 are wanted." in answer.sentence


@pytest.mark.parametrize(("n", "verdict"), [(99, UNKNOWN), (100, YES)])
def test_too_few_texts_behind_a_number_cannot_be_told(
    report: Report, n: int, verdict: MayShow
) -> None:
    name = RULES["small"]
    few = with_number(may_be_shown(report), name, 0.15, (0.1, 0.2), n=n)
    answer = answer_of(few)
    assert answer.verdict is verdict
    if verdict is UNKNOWN:
        assert answer.because == (name,)
        found = capital(clause("small", "passes", "15% [10%, 20%]"))
        assert answer.sentence == (
            f"{found}. It rests on 99 examples alone, and 100 are wanted. "
            "Do not show attention as the reason before that is known."
        )


def covering(report: Report, check: str, n: int) -> Report:
    """Numbers of a check from so many of 2,000 examples."""
    for metric in metrics():
        is_there = metric.check == check and metric.name in report.metrics
        if isinstance(metric, ExampleMetric) and metric.is_coverage and is_there:
            report = with_metric(report, metric, n=n)
    return report


@pytest.mark.parametrize("check", ["correlation", "attended", "permutation"])
@pytest.mark.parametrize(("n", "verdict"), [(1899, UNKNOWN), (1900, YES)])
def test_a_check_that_covers_too_little_cannot_be_told(
    report: Report, check: str, n: int, verdict: MayShow
) -> None:
    answer = answer_of(covering(may_be_shown(report), check, n))
    assert answer.verdict is verdict
    if verdict is UNKNOWN:
        assert answer.because[0] == "min_coverage"
        assert answer.sentence.startswith(f"The {check} check says nothing about too many")


def test_what_covers_too_little_can_violate_a_rule(report: Report) -> None:
    few = covering(may_be_shown(report, unattended=BROKEN["unattended"]), "attended", 1000)
    assert answer_of(few).verdict is NO


def test_an_audit_that_is_not_finished_cannot_be_told(report: Report) -> None:
    whole = may_be_shown(report)
    data = whole.data.model_copy(update={"is_complete": False})
    answer = answer_of(whole.model_copy(update={"data": data}))
    assert (answer.verdict, answer.because) == (UNKNOWN, ("is_complete",))


@pytest.mark.parametrize(
    ("rule", "interval", "number"),
    [
        ("half", (0.1, 0.2), "15% [10%, 20%]"),
        ("half", (0.2, 0.3), "25% [20%, 30%]"),
        ("polarity", (0.3, 0.4), "35% [30%, 40%]"),
        ("polarity", (0.2, 0.3), "25% [20%, 30%]"),
    ],
)
def test_a_hint_that_does_not_pass_makes_it_a_hint(
    report: Report, rule: str, interval: tuple[float, float], number: str
) -> None:
    answer = answer_of(may_be_shown(report, **{rule: interval}))
    assert (answer.verdict, answer.because) == (HINT, (RULES[rule],))
    first = "Attention may be shown as where the model looked, not as the reason"
    assert answer.sentence == f"{first}: {clause(rule, 'fails', number, Level.HINT)}."


def test_two_hints_are_both_said(report: Report) -> None:
    answer = answer_of(may_be_shown(report, **DOUBTED))
    assert answer.because == (RULES["half"], RULES["polarity"])
    assert answer.sentence.count(";") == 1


def test_the_worse_answer_outweighs(report: Report) -> None:
    doubted = may_be_shown(report, **DOUBTED, small=STRADDLING["small"])
    assert answer_of(doubted).verdict is UNKNOWN
    assert answer_of(may_be_shown(report, **{**STRADDLING, **DOUBTED})).verdict is UNKNOWN
    broken = {**STRADDLING, **DOUBTED, "order": BROKEN["order"]}
    assert answer_of(may_be_shown(report, **broken)).verdict is NO


def test_what_is_only_noted_changes_nothing(report: Report) -> None:
    """A model that hardly works, and one of which nobody knows whether it does."""
    for found in (
        may_be_shown(report, works=(0.4, 0.5)),
        without_metric(may_be_shown(report), ROC_AUC),
    ):
        answer = answer_of(found)
        assert answer.verdict is YES
        assert answer.judgements[-1].outcome is not Outcome.PASS


LIMITS = [
    ("reach", "min", 0.1, Level.NO),
    ("unattended", "max", 0.05, Level.NO),
    ("order", "min", 0.0, Level.NO),
    ("small", "max", 0.5, Level.NO),
    ("polarity", "max", 0.5, Level.NO),
    ("half", "min", 0.25, Level.HINT),
    ("polarity", "max", 0.25, Level.HINT),
    ("works", "min", 0.7, Level.NOTE),
]
TIMES_AS_WIDE = {Level.NO: 1.187, Level.HINT: 1.0, Level.NOTE: 1.0}
"""As an interval of 95 % must be to lie beyond the limit."""


@pytest.mark.parametrize(("rule", "side", "limit", "level"), LIMITS)
def test_a_rule_passes_on_its_limit_and_not_beyond(
    report: Report, rule: str, side: str, limit: float, level: Level
) -> None:
    inside = 2.0 if side == "min" else -2.0

    def judged(*ends: float) -> Judgement:
        answer = answer_of(may_be_shown(report, **{rule: (min(ends), max(ends))}))
        (found,) = (j for j in answer.judgements if (j.metric, j.level) == (RULES[rule], level))
        return found

    assert judged(limit, inside).outcome is Outcome.PASS
    beyond = nextafter(limit, -inside)
    assert judged(beyond, inside).outcome is Outcome.INCONCLUSIVE
    # Intervals that are one wide, their middle as far beyond as half of the width that decides.
    middle, little = limit - inside / 4 * TIMES_AS_WIDE[level], inside * 1e-6
    nearer, farther = (judged(at - 0.5, at + 0.5) for at in (middle + little, middle - little))
    assert nearer.outcome is Outcome.INCONCLUSIVE
    assert farther.outcome is Outcome.FAIL


def test_what_is_violated_but_not_by_enough_for_a_no_cannot_be_told(report: Report) -> None:
    answer = answer_of(may_be_shown(report, unattended=(0.052, 0.112)))
    found = capital(clause("unattended", "passes", "8.2% [5.2%, 11%]"))
    assert (answer.verdict, answer.because) == (UNKNOWN, (RULES["unattended"],))
    assert answer.sentence == (
        f"{found}. The interval lies above 5%, and one 1.187 times as wide, which a No asks for, "
        "straddles it: these examples cannot decide. "
        "Do not show attention as the reason before that is known."
    )
    (judged,) = (j for j in answer.judgements if j.metric == RULES["unattended"])
    assert judged.interval == Interval(low=0.052, high=0.112, method="bootstrap")
    assert judged.look_at.startswith("About 2,500 examples would decide, if the number stays.")


def test_a_number_that_two_rules_are_of_decides_once(report: Report) -> None:
    answer = answer_of(may_be_shown(report, polarity=BROKEN["polarity"]))
    outcomes = [j.outcome for j in answer.judgements if j.metric == RULES["polarity"]]
    assert outcomes == [Outcome.FAIL, Outcome.FAIL]
    assert answer.because == (RULES["polarity"],)


@pytest.mark.parametrize("n", [100, 200])
def test_a_model_on_all_limits_is_told_no_in_at_most_one_audit_of_twenty(n: int) -> None:
    """Each rule that may answer No errs by itself, which is the worst case."""
    by_rule = [error_rates.wrongly_violated(bound, n, 1000) for bound in error_rates.deciding()]
    assert len(by_rule) == 5
    assert error_rates.any_of(by_rule) <= 0.05


def test_every_rule_says_in_words_what_passing_and_failing_mean_and_why_it_is_asked() -> None:
    rules = load_policy()
    assert [(bound.metric, bound.level) for bound in rules.bounds] == [
        (RULES[rule], level) for rule, _, _, level in LIMITS
    ]
    assert rules.version == 1
    for bound in rules.bounds:
        for clause in (bound.passes, bound.fails):
            assert clause is not None
            assert clause.count("{number}") == 1
            assert not clause.endswith(".")
        assert bound.why is not None
        assert bound.why.endswith(".")
        assert bound.level in (Level.NO, Level.HINT, Level.NOTE)


def named(report: Report, *units: str) -> Answer:
    """Units that decide in ever fewer texts, where too many do."""
    counted = tuple(CountedUnit(unit=unit, n=1200 - i) for i, unit in enumerate(units))
    found = may_be_shown(report, unattended=BROKEN["unattended"])
    return answer_of(found.model_copy(update={"unattended_units": counted}))


def test_units_that_decide_unattended_are_named_with_their_texts(report: Report) -> None:
    answer = named(report, "bad", "worse")
    assert [unit.unit for unit in answer.units] == ["bad", "worse"]
    assert "would hide them ('bad' in 1,200 texts, 'worse' in 1,199). Do" in answer.sentence


def test_at_most_five_units_are_named(report: Report) -> None:
    answer = named(report, *"abcdefg")
    assert [unit.unit for unit in answer.units] == list("abcde")
    assert "'e' in 1,196)" in answer.sentence


@pytest.mark.parametrize(("n", "is_named"), [(99, False), (100, True)])
def test_a_unit_that_decides_a_tenth_as_often_as_the_first_is_named(
    report: Report, n: int, is_named: bool
) -> None:
    units = (CountedUnit(unit="bad", n=1000), CountedUnit(unit="rare", n=n))
    found = may_be_shown(report, unattended=BROKEN["unattended"])
    answer = answer_of(found.model_copy(update={"unattended_units": units}))
    assert (len(answer.units) == 2, "'rare'" in answer.sentence) == (is_named, is_named)


def test_units_are_named_only_where_they_decide(report: Report) -> None:
    units = (CountedUnit(unit="bad", n=3),)
    for others in ({}, {"order": BROKEN["order"]}, {"unattended": STRADDLING["unattended"]}):
        found = may_be_shown(report, **others).model_copy(update={"unattended_units": units})
        answer = answer_of(found)
        assert answer.units == ()
        assert "bad" not in answer.sentence


def test_an_answer_names_its_rules_and_promises_nothing(report: Report) -> None:
    answer, rules = answer_of(may_be_shown(report)), load_policy()
    assert answer.rules == f"1 ({rules.sha256[:12]})"
    assert answer.show_instead is None
    assert [j.why for j in answer.judgements if j.why] == [bound.why for bound in rules.bounds]


EASY = f'[[bound]]\nmetric = "{MOVED}"\nmin = 0.0\n'
WAIVED = (
    f'[[bound]]\nmetric = "{RULES["unattended"]}"\nmax = 0.0\n[[waiver]]\n'
    f'metric = "{RULES["unattended"]}"\nreason = "known"\nexpires = 2026-01-05\n'
)


@pytest.mark.parametrize("text", [EASY, WAIVED])
def test_no_policy_and_no_waiver_changes_the_answer(
    report: Report, policy: PolicyOf, text: str
) -> None:
    found = with_answer(may_be_shown(report, unattended=BROKEN["unattended"]))
    verdict = judge(found, policy(text), date(2026, 1, 5))
    assert verdict.outcome is Outcome.PASS
    assert verdict.answer == found.answer
    assert found.answer is not None
    assert found.answer.verdict is NO


@pytest.mark.parametrize(
    ("others", "outcome"),
    [
        ({}, Outcome.PASS),
        (DOUBTED, Outcome.PASS),
        (STRADDLING, Outcome.INCONCLUSIVE),
        (BROKEN, Outcome.FAIL),
    ],
)
def test_a_gate_by_the_packaged_rules_comes_out_as_the_answer(
    report: Report, others: dict[str, tuple[float, float]], outcome: Outcome
) -> None:
    found = with_answer(may_be_shown(report, **others))
    assert judge(found, load_policy()).outcome is outcome


def test_every_audit_has_an_answer(report: Report, multilabel: Report, unlabelled: Report) -> None:
    for found in (report, multilabel, unlabelled):
        assert found.answer == answer_of(found)
