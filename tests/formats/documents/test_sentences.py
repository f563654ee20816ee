"""What a report says in words: what was measured with its interval, and never more."""

import re
from typing import Any

import pytest

from attn_audit.document import Bullets, Glance
from attn_audit.findings import adversarial, correlation, permutation
from attn_audit.findings import adversarial as metrics_of_adversarial
from attn_audit.findings import performance as metrics_of_performance
from attn_audit.findings import permutation as metrics_of_permutation
from attn_audit.findings.correlation_pairs import GAP_GRADIENT, GAP_LEAVE_ONE_OUT, OF_YARDSTICK
from attn_audit.formats.documents import performance
from attn_audit.formats.documents.example import said as predicted
from attn_audit.formats.documents.example import varied
from attn_audit.formats.documents.report import audited, cards, document, made_with
from attn_audit.results.report import Report
from attn_audit.statistics.summary import Interval
from tests.judged import with_metric, without, without_metric


def said(report: Report, check: str) -> str:
    """The sentences of a check's section."""
    (section,) = (section for section in document(report).sections if section.id == check)
    bullets = (block for block in section.blocks if isinstance(block, Bullets))
    return " ".join(sentence.text for block in bullets for sentence in block.sentences)


def with_gap(report: Report, mean: float, low: float, high: float) -> str:
    interval = Interval(low=low, high=high, method="bootstrap")
    changed = with_metric(report, GAP_GRADIENT, mean=mean, interval=interval)
    return " ".join(correlation.FINDINGS.answer(without_metric(changed, GAP_LEAVE_ONE_OUT)))


def test_tau_stands_beside_its_yardstick_and_the_paired_gap(report: Report) -> None:
    text = said(report, "correlation")
    assert "mean tau of 0.44 [0.41, 0.47] with gradients" in text
    assert "The yardstick: the two measures agree with each other at tau 0.57 [0.54, 0.59]" in text
    assert "attention agrees with gradients less than leave-one-out does, by 0.12 [0.09, 0" in text
    assert "not by itself faithfulness" in text


def test_a_gap_that_includes_zero_is_no_difference(report: Report) -> None:
    text = with_gap(report, 0.01, -0.02, 0.04)
    assert (
        "with gradients not measurably less or more than leave-one-out does (less by 0.01 [-0.02, "
        in text
    )


def test_a_negative_gap_is_more_agreement(report: Report) -> None:
    text = with_gap(report, -0.05, -0.08, -0.02)
    assert "with gradients more than leave-one-out does, by 0.05 [0.02, 0.08]" in text


def test_a_yardstick_is_called_low_where_its_whole_interval_is(report: Report) -> None:
    for ends, said in (
        ((0.4, 0.7), "at tau 0.55 [0.40, 0.70]. Example by example"),
        ((0.3, 0.39), "That is low, less than 0.4: where the measures themselves disagree"),
        ((0.39, 0.5), "Whether that is enough to judge attention by, 0.4, is open."),
    ):
        low, high = ends
        interval = Interval(low=low, high=high, method="bootstrap")
        found = with_metric(report, OF_YARDSTICK.tau, mean=(low + high) / 2, interval=interval)
        assert said in " ".join(correlation.FINDINGS.answer(found))


def test_one_measure_gives_no_yardstick(only_correlation: Report) -> None:
    text = said(only_correlation, "correlation")
    assert "leave-one-out (1:" not in text
    assert "There is no yardstick" in text


def test_permutation_says_shortly_what_equal_attention_keeps(
    report: Report, nothing_measured: Report
) -> None:
    *_, reach, line = permutation.FINDINGS.card(report).lines
    assert reach.startswith("all attention on some one word turns the decision or moves half of ")
    assert line.startswith("equal attention keeps ")
    assert line.endswith("] of the predictions")
    assert permutation.FINDINGS.card(nothing_measured).lines == ("no example could be measured",)


def test_permutation_says_what_could_move_and_how_much_did(report: Report) -> None:
    text = said(report, "permutation")
    assert "moves the output by 0.10 [0.08, 0.12] on average" in text
    assert "31% [25%, 37%] of the outputs move by 0.1 or more" in text
    assert "Counted as not moved: 1 example whose attention is too even" in text
    assert "a divergence of less than 0.1" in text


def test_uniform_attention_claims_no_more_than_was_measured(report: Report) -> None:
    text = said(report, "permutation")
    assert "right are 192 of 209 instead of 201 (-4.3 [-7.7, -1.4] points)" in text
    assert "decisions depend on where attention lies, and of other texts at least 3.0%" in text
    assert "a model trained without attention is another question" in text


@pytest.mark.parametrize(
    ("n", "low", "others"), [(15, 0.796, "up to 20%"), (1818, 0.998, "up to 0.2%")]
)
def test_decisions_that_all_stay_say_how_many_texts_and_which_attention_that_rests_on(
    report: Report, n: int, low: float, others: str
) -> None:
    interval = Interval(low=low, high=1.0, method="wilson")
    unchanged = metrics_of_permutation.UNIFORM_UNCHANGED
    found = with_metric(report, unchanged, count=n, n=n, share=1.0, interval=interval)
    text = " ".join(permutation.FINDINGS.answer(found))
    assert "With equal attention on every unit, 100% [" in text
    assert f"None of these {n:,} decisions changed under this one other attention; of other" in text
    assert f"of other texts {others} may, and under still other attention more" in text
    assert "do not depend on where attention lies is not shown" in text


def test_without_labels_uniform_attention_has_no_accuracy(unlabelled: Report) -> None:
    text = said(unlabelled, "permutation")
    assert " of the predictions stay the same" in text
    assert "accuracy" not in text


def test_even_attention_counts_as_not_moved_and_says_so(report: Report) -> None:
    n = report[metrics_of_permutation.MOVED].n
    found = with_metric(report, metrics_of_permutation.MOVED, count=0, share=0.0)
    found = with_metric(found, metrics_of_permutation.TOO_EVEN, count=n, share=1.0)
    text = " ".join(permutation.FINDINGS.answer(found))
    assert "Counted as not moved: 209 examples whose attention is too even" in text
    assert "Attention was nearly even already" in text
    assert "depend on where attention lies" not in text
    short = permutation.FINDINGS.in_short(found)
    assert short[2] == "counted as not moved: 209 whose attention is too even"


def test_an_adversary_stands_beside_how_common_alternatives_are(report: Report) -> None:
    text = said(report, "adversarial")
    assert "a divergence of 0.56 [0.54, 0.59] on average" in text
    assert "82% [78%, 85%] of the most that each example allows" in text
    assert "36% [31%, 40%] of an example's random permutations" in text
    assert "does not make the model's own attention wrong" in text
    assert "Each is the proven optimum" in text


def test_an_adversary_alone_says_that_its_yardstick_is_missing(report: Report) -> None:
    alone = without(report, "permutation")
    assert "was not measured: that takes the permutation check" in said(alone, "adversarial")
    assert len(adversarial.FINDINGS.in_short(alone)) == 1


def by_methods(report: Report, n_exact: int, n_gradient: int) -> Report:
    found = with_metric(report, metrics_of_adversarial.N_EXACT, value=n_exact)
    return with_metric(found, metrics_of_adversarial.N_GRADIENT, value=n_gradient)


def test_a_searched_adversary_is_not_called_an_optimum(report: Report) -> None:
    searched = by_methods(report, 0, 1818)
    text = said(searched, "adversarial")
    assert re.search(
        r"more may exist, but not beyond 0\.\d\d \[0\.\d\d, 0\.\d\d\] on average\.", text
    )
    unbounded = without_metric(searched, metrics_of_adversarial.UPPER_BOUND)
    assert "beyond" not in said(unbounded, "adversarial")


def test_a_limit_known_for_some_says_for_how_many(report: Report) -> None:
    some = with_metric(by_methods(report, 0, 1818), metrics_of_adversarial.UPPER_BOUND, n=12)
    assert "on average in 12 examples where a limit is proven." in said(some, "adversarial")


def test_methods_are_counted_where_both_were_used(report: Report) -> None:
    text = said(by_methods(report, 1817, 1), "adversarial")
    assert "In 1,817 examples it is the proven optimum, in 1 example the best" in text


def test_audited_mass_is_said_once_a_check(report: Report) -> None:
    assert said(report, "permutation").count("audited units") == 1
    audited_mass = report[metrics_of_permutation.MASS]
    assert permutation.mass(audited_mass) == "All attention lies on the audited units."
    some = audited_mass.model_copy(update={"mean": 0.62, "minimum": 0.1, "interval": None})
    nearly = some.model_copy(update={"mean": 0.9999, "minimum": 0.999})
    assert permutation.mass(nearly).startswith("Only attention on the audited units was moved")
    assert permutation.mass(some).startswith(
        "Only attention on the audited units was moved: 0.62 of it"
    )


def test_accuracy_stands_beside_the_most_frequent_answer(report: Report) -> None:
    text = " ".join(performance.answer(report))
    assert "right in 96.2% [92.6%, 98.0%] of 209 labelled examples" in text
    assert "most frequent answer would be right in 71.8%" in text
    assert "Macro F1 0.954 [0.919, 0.982], ROC AUC 0.994 [0.983, 0.998]." in text


def test_a_model_that_beats_nothing_is_called_out(report: Report) -> None:
    useless = with_metric(report, metrics_of_performance.MAJORITY_SHARE, value=0.95)
    assert performance.USELESS in performance.answer(useless)
    assert "not measurably beaten" in performance.in_short(useless)[1]


def test_less_than_chance_asks_for_the_order_of_the_labels(report: Report) -> None:
    assert performance.BELOW_CHANCE not in performance.answer(report)
    interval = Interval(low=0.02, high=0.08, method="wilson")
    turned = with_metric(report, metrics_of_performance.ACCURACY, share=0.04, interval=interval)
    assert "check the order of the labels" in " ".join(performance.answer(turned))


def test_one_labelled_example_beats_nothing(report: Report) -> None:
    accuracy = metrics_of_performance.ACCURACY
    found = with_metric(report, accuracy, share=1.0, n=1, interval=None)
    assert "not measurably right more often" in performance.verdict(found)


def test_no_labels_no_accuracy(unlabelled: Report) -> None:
    assert "no accuracy is reported" in performance.answer(unlabelled)[0]
    assert cards(unlabelled)[0].lines == (performance.UNLABELLED,)
    assert "without labels" in dict(audited(unlabelled))["Data"]


def test_a_multilabel_answer_counts_as_right_only_as_a_whole(multilabel: Report) -> None:
    text = " ".join(performance.answer(multilabel))
    assert "It gives exactly the right set of labels in 0%" in text
    assert re.search(r"micro F1 0\.\d+ \[[^]]+\], ROC AUC 0\.\d+ \[[^]]+\]\.", text)
    assert "10 points of probability a label" in said(multilabel, "permutation")


def test_many_labels_are_named_in_part(multilabel: Report) -> None:
    named = dict(audited(multilabel))["Task"]
    assert named.startswith("multilabel, 10 labels: label0, ")
    assert named.endswith("label7 and 2 more")


def test_checks_that_were_not_run_say_so(only_correlation: Report) -> None:
    (glance,) = (b for b in document(only_correlation).sections[0].blocks if isinstance(b, Glance))
    assert [card.id for card in (*glance.decisive, *glance.others)] == ["model", "correlation"]
    assert glance.note.endswith("Not run: attended, permutation, adversarial.")


def test_nothing_measured_is_said_plainly(nothing_measured: Report) -> None:
    for check in ("correlation", "permutation", "adversarial"):
        assert said(nothing_measured, check).endswith("see the degenerate examples.")
    assert all(
        card.lines == ("no example could be measured",) for card in cards(nothing_measured)[1:]
    )


def test_the_target_is_said_to_be_the_prediction(report: Report) -> None:
    assert "own prediction, right or wrong, never the gold label" in dict(audited(report))["Target"]


def test_a_sample_is_said_to_be_one(report: Report) -> None:
    data = report.data.model_copy(update={"limit": 500, "n_examples": 500, "n_labelled": 12})
    text = dict(audited(report.model_copy(update={"data": data})))["Data"]
    assert text.endswith("500 examples, 12 of them labelled (at most 500 drawn at random)")


def test_what_was_not_run_has_no_settings(only_correlation: Report) -> None:
    made = dict(made_with(only_correlation))
    assert "epsilon" not in made["Settings"]
    assert "permutations" not in made["Settings"]
    assert "iterations" not in made["Settings"]
    assert made["Records"] == "not written"
    bare = only_correlation.model_copy(update={"run": None})
    assert "Time" not in dict(made_with(bare))


def test_telling_examples_vary_and_never_repeat(report: Report) -> None:
    chosen = varied(report.telling_examples)
    assert [example.reason for example in chosen[:5]] == [
        "adversarial",
        "insensitive",
        "unattended",
        "disagreeing",
        "agreeing",
    ]
    assert len(varied((*chosen, *chosen))) == len(chosen)


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (
            {"id": "a", "prediction": "no", "probability": 0.25, "label": "yes"},
            "no (probability 0.750)",
        ),
        (
            {"id": "a", "prediction": "b", "probability": [0.1, 0.9]},
            "b (probability 0.900)",
        ),
        (
            {"id": "a", "prediction": [], "probability": [0.1, 0.2], "label": ["x", "y"]},
            "(none)",
        ),
    ],
)
def test_a_prediction_comes_with_its_own_probability(record: dict[str, Any], line: str) -> None:
    assert predicted(record, ("no", "yes")) == line
