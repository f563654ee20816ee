"""One sentence a check: direction first, and no more than the interval and the gate allow."""

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attn_audit.findings import thresholds as table
from attn_audit.findings.check import NOT_MEASURED
from attn_audit.findings.rule import Outcome
from attn_audit.formats.documents.report import cards
from attn_audit.judgement.gate import judge
from attn_audit.judgement.policy import load_policy, policy_of
from attn_audit.results.report import Report
from tests.judged import GAP, MOVED, RULES, YARDSTICK, with_number

LOO_GAP = "correlation.gap.attention_leave_one_out"
AUC = "performance.roc_auc"
RELATIVE = "adversarial.relative_jsd"
UNCHANGED = "permutation.uniform.unchanged"
TOO_EVEN = "permutation.too_even"
UNATTENDED, POLARITY = RULES["unattended"], RULES["polarity"]

Numbers = dict[str, tuple[float, float]]
"""Low and high end by the metric's name."""


@pytest.fixture
def report(report: Report) -> Report:
    """Without examples: they are dumped and read again with every number that is changed."""
    return report.model_copy(update={"telling_examples": (), "sampled_examples": ()})


def having(report: Report, numbers: Numbers, n: int | None = None) -> Report:
    """The same report with these intervals, each with its middle as the number."""
    for name, (low, high) in numbers.items():
        report = with_number(report, name, (low + high) / 2, (low, high), n)
    return report


def verdict(report: Report, card: str) -> str:
    """What the page says of a check at first sight."""
    return next(found.verdict for found in cards(report) if found.id == card)


YARDSTICK_AGREES = {"metric": YARDSTICK, "min": table.ALIKE}

POLICY = policy_of(
    {
        "min_examples": table.MIN_EXAMPLES,
        "min_coverage": table.MIN_COVERAGE,
        "bound": [
            {"metric": AUC, "min": table.WORKS},
            {"metric": GAP, "max": table.SMALL_GAP, "only_if": YARDSTICK_AGREES},
            {"metric": LOO_GAP, "max": table.SMALL_GAP, "only_if": YARDSTICK_AGREES},
            {"metric": UNATTENDED, "max": table.FEW_UNATTENDED},
            {"metric": POLARITY, "max": table.FEW_AGAINST},
            {"metric": MOVED, "min": table.MOST},
        ],
    }
)
"""What the sentences claim, as bounds."""


def gated(report: Report) -> dict[str, Outcome]:
    """What a gate says of what the sentences claim, by metric."""
    judged = judge(report, POLICY, date(2026, 1, 5)).judgements
    return {judgement.metric: judgement.outcome for judgement in judged}


@pytest.mark.parametrize(
    ("yardstick", "gaps", "said"),
    [
        ((0.59, 0.61), [(0.21, 0.3), (0.3, 0.4)], "No: it agrees with them clearly less than"),
        ((0.59, 0.61), [(0.01, 0.2), (-0.3, -0.2)], "Yes: it agrees with them about as much"),
        ((0.40, 0.61), [(-0.1, 0.1), (0.21, 0.3)],
         "In part: about as much with gradients, clearly less with leave-one-out."),
        ((0.59, 0.61), [(0.21, 0.3), (0.05, 0.1)],
         "In part: about as much with leave-one-out, clearly less with gradients."),
        ((0.59, 0.61), [(0.16, 0.19), (0.16, 0.19)], "Yes: it agrees"),  # where 0.15 was the limit
        ((0.59, 0.61), [(0.19, 0.21), (0.18, 0.26)],
         "Open: too few texts (less by 0.20 [0.19, 0.21] with gradients; less by 0.22 "
         "[0.18, 0.26] with leave-one-out)."),
        ((0.59, 0.61), [(0.21, 0.3), (0.18, 0.26)],
         "In part: clearly less with gradients. Open: too few texts (less by 0.22 [0.18, "),
        ((0.29, 0.31), [(0.21, 0.3), (0.3, 0.4)],
         "Open: the two measures themselves hardly agree on this model (tau 0.30 [0.29, "),
        ((0.39, 0.45), [(0.21, 0.3), (0.3, 0.4)],
         "Open: too few texts (the measures agree with each other at tau 0.42 [0.39, "),
    ],
)  # fmt: skip
def test_attention_is_held_against_the_yardstick(
    report: Report,
    yardstick: tuple[float, float],
    gaps: list[tuple[float, float]],
    said: str,
) -> None:
    found = having(report, {YARDSTICK: yardstick, GAP: gaps[0], LOO_GAP: gaps[1]})
    assert verdict(found, "correlation").startswith(said)


def test_without_both_measures_agreement_is_open(only_correlation: Report) -> None:
    assert verdict(only_correlation, "correlation").startswith("Open: without both measures")


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        ((0.5, 0.85), "In most examples: where attention lies matters to the output."),
        ((0.1, 0.49), "In most examples it hardly does: where attention lies matters little."),
        ((0.057, 0.51), "Open: too few texts (28% [5.7%, 51%])."),
        ((0.49, 0.55), "Open: too few texts (52% [49%, 55%])."),
    ],
)
def test_outputs_move_or_do_not(report: Report, moved: tuple[float, float], said: str) -> None:
    assert verdict(having(report, {MOVED: moved}), "permutation") == said


@pytest.mark.parametrize(
    ("unattended", "polarity", "said"),
    [
        ((0.01, 0.05), (0.1, 0.25),
         "Yes: words with hardly any attention rarely decide, and the most attended word mostly "
         "speaks for the prediction."),
        ((0.01, 0.05), (0.26, 0.4),
         "In part: words with hardly any attention rarely decide, but the most attended word often "
         "speaks against the prediction."),
        ((0.01, 0.05), (0.2, 0.3),
         "In part: words with hardly any attention rarely decide; whether the most attended word "
         "speaks for the prediction is open."),
        ((0.06, 0.2), (0.1, 0.2),
         "No: words with hardly any attention decide too many of the texts."),
        ((0.02, 0.06), (0.1, 0.2),
         "Open: too few texts (words with hardly any attention decide 4.0% [2.0%, 6.0%])."),
    ],
)  # fmt: skip
def test_attended_words_speak_for_the_prediction_or_do_not(
    report: Report, unattended: tuple[float, float], polarity: tuple[float, float], said: str
) -> None:
    found = having(report, {UNATTENDED: unattended, POLARITY: polarity})
    assert verdict(found, "attended") == said


def test_few_texts_are_too_few_whichever_way_they_point(report: Report) -> None:
    few = having(report, {MOVED: (0.1, 0.3)}, n=99)
    assert verdict(few, "permutation") == (
        "Open: too few texts (20% [10%, 30%]; 99 texts, and 100 are asked for)."
    )
    enough = having(report, {MOVED: (0.1, 0.3)}, n=100)
    assert verdict(enough, "permutation").startswith("In most examples it hardly does")


def test_what_was_measured_in_a_part_of_the_texts_does_not_pass_for_all(report: Report) -> None:
    found = having(report, {MOVED: (0.6, 0.8)})
    part = with_number(found, "permutation.distance", 0.2, (0.1, 0.3), n=198)
    assert verdict(part, "permutation") == (
        "Open: measured in too few of the texts (198 of 209: 70% [60%, 80%])."
    )
    assert gated(part)[MOVED] is Outcome.INCONCLUSIVE
    whole = with_number(found, "permutation.distance", 0.2, (0.1, 0.3), n=199)
    assert verdict(whole, "permutation").startswith("In most examples: ")


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({UNCHANGED: (0.91, 0.97)}, "In most examples it hardly does"),
        ({UNCHANGED: (0.88, 0.92)}, "In most examples it hardly does"),
        ({UNCHANGED: (0.3, 0.89)}, "In part: most outputs move little, but equal attention"),
        ({TOO_EVEN: (0.5, 0.9)}, "In most examples it does not: attention is too even there"),
        ({TOO_EVEN: (0.49, 0.9)}, "In most examples it hardly does"),
    ],
)
def test_little_movement_has_its_reasons(report: Report, others: Numbers, said: str) -> None:
    """Outputs of many labels move by the mean over all of them: little for each, yet enough."""
    found = having(report, {MOVED: (0.1, 0.3), **others})
    assert verdict(found, "permutation").startswith(said)


@pytest.mark.parametrize(
    ("relative", "n_gradient", "said"),
    [
        ((0.9, 0.99), 0, "Yes: almost entirely"),
        ((0.89, 0.99), 0, "Largely: very different"),
        ((0.5, 0.6), 0, "Largely: very different"),
        ((0.49, 0.6), 0, "Open: too few texts (54% [49%, 60%] different)."),
        ((0.2, 0.49), 0, "Not by much: the output ties"),
        ((0.2, 0.49), 5, "Not by much, as far as a search"),
    ],
)
def test_other_attention_gives_the_same_output_or_does_not(
    report: Report, relative: tuple[float, float], n_gradient: int, said: str
) -> None:
    found = having(report, {RELATIVE: relative})
    found = with_number(found, "adversarial.n_gradient", n_gradient)
    assert verdict(found, "adversarial").startswith(said)


def test_what_was_not_measured_is_not_known(nothing_measured: Report) -> None:
    for check in ("correlation", "attended", "permutation", "adversarial"):
        assert verdict(nothing_measured, check) == NOT_MEASURED


@pytest.mark.parametrize(
    ("area", "majority", "said"),
    [
        ((0.7, 0.9), 0.5, "Yes: it tells the labels apart, and is right more often"),
        ((0.7, 0.9), 0.93, "In part: it tells the labels apart, but is not measurably right"),
        ((0.5, 0.69), 0.5, "No: it hardly tells the labels apart."),
        ((0.66, 0.75), 0.5, "Open: too few texts (ROC AUC 0.71 [0.66, 0.75])."),
    ],
)
def test_a_model_works_that_tells_labels_apart(
    report: Report, area: tuple[float, float], majority: float, said: str
) -> None:
    found = with_number(having(report, {AUC: area}), "performance.majority_share", majority)
    assert verdict(found, "model").startswith(said)


def test_without_labels_or_with_one_alone_nobody_knows(report: Report, unlabelled: Report) -> None:
    assert verdict(unlabelled, "model").startswith("Not known: the data has no labels")
    undefined = with_number(report, AUC, None)
    assert verdict(undefined, "model").startswith("Open: no label has both")
    assert gated(undefined)[AUC] is Outcome.INCONCLUSIVE


def interval(low: float = 0.0, high: float = 1.0) -> st.SearchStrategy[tuple[float, float]]:
    """Ends on a raster that holds every limit, so that some lie on it."""
    ends = st.integers(round(low * 100), round(high * 100)).map(lambda i: i / 100)
    return st.tuples(ends, ends).map(lambda pair: (min(pair), max(pair)))


REPORTS = st.fixed_dictionaries(
    {
        MOVED: interval(),
        TOO_EVEN: interval(),
        UNCHANGED: interval(),
        YARDSTICK: interval(-1, 1),
        GAP: interval(-0.5, 0.8),
        LOO_GAP: interval(-0.5, 0.8),
        RELATIVE: interval(),
        AUC: interval(),
        UNATTENDED: interval(),
        POLARITY: interval(),
    }
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REPORTS, st.sampled_from([30, 99, 100, 209]), st.sampled_from([150, 199, 209]))
def test_no_sentence_contradicts_the_gate(
    report: Report, numbers: Numbers, n: int, covered: int
) -> None:
    """A direction is claimed where the gate decides it, and only there."""
    found = having(report, numbers, n)
    found = with_number(found, "permutation.distance", 0.2, (0.1, 0.3), n=covered)
    found = with_number(found, "attended.top_effect", 0.2, (0.1, 0.3), n=covered)
    outcomes = gated(found)

    moves = verdict(found, "permutation")
    by_moved = {
        Outcome.PASS: ("In most examples: ",),
        Outcome.FAIL: ("In most examples it ", "In part: most outputs move little"),
        Outcome.INCONCLUSIVE: ("Open: ",),
    }
    assert moves.startswith(by_moved[outcomes[MOVED]])

    agrees, gaps = verdict(found, "correlation"), [outcomes[GAP], outcomes[LOO_GAP]]
    if set(gaps) == {Outcome.PASS}:
        assert agrees.startswith("Yes: ")
    elif set(gaps) == {Outcome.FAIL}:
        assert agrees.startswith("No: ")
    elif set(gaps) == {Outcome.INCONCLUSIVE}:
        assert agrees.startswith("Open: ")
    else:
        assert agrees.startswith("In part: ")
    for name, outcome in zip(("gradients", "leave-one-out"), gaps, strict=True):
        if agrees.startswith("In part: "):
            assert (f"about as much with {name}" in agrees) == (outcome is Outcome.PASS)
            assert (f"clearly less with {name}" in agrees) == (outcome is Outcome.FAIL)

    hides = verdict(found, "attended")
    by_unattended = {
        Outcome.PASS: ("Yes: ", "In part: "),
        Outcome.FAIL: ("No: ",),
        Outcome.INCONCLUSIVE: ("Open: ",),
    }
    assert hides.startswith(by_unattended[outcomes[UNATTENDED]])
    if outcomes[UNATTENDED] is Outcome.PASS:
        assert hides.startswith("Yes: ") == (outcomes[POLARITY] is Outcome.PASS)
        assert ("often speaks against" in hides) == (outcomes[POLARITY] is Outcome.FAIL)

    works = verdict(found, "model")
    by_area = {
        Outcome.PASS: ("Yes: ", "In part: it tells the labels apart"),
        Outcome.FAIL: ("No: ",),
        Outcome.INCONCLUSIVE: ("Open: ",),
    }
    assert works.startswith(by_area[outcomes[AUC]])


def test_limits_of_the_packaged_rules_are_those_of_the_sentences() -> None:
    """One table: `findings.thresholds`."""
    rules = load_policy()
    limits = {bound.metric: bound.limit for bound in rules.bounds}
    assert rules.min_examples == table.MIN_EXAMPLES
    assert rules.min_coverage == table.MIN_COVERAGE
    assert limits[AUC] == table.WORKS
    assert limits[UNATTENDED] == table.FEW_UNATTENDED
    assert limits[POLARITY] == table.FEW_AGAINST
