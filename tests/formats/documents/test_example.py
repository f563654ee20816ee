"""One example in words."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.document import Examples
from attn_audit.findings.measure import GRADIENT_X_INPUT
from attn_audit.formats.documents.example import is_prediction_kept, section, tags, under, uniform
from attn_audit.judgement.recommendation import Orders
from attn_audit.results.report import Report
from tests.judgement.test_recommendation import erased, recommended

LABELS = ("negative", "positive")


@pytest.fixture
def record() -> dict[str, Any]:
    """A record whose every number is chosen."""
    text = "if you sometimes like to go to the movies to have fun wasabi is a good place"
    units = text.split()
    own = [0.01] * len(units)
    own[3], own[11], own[15] = 0.05, 0.2, 0.58
    other = [0.0] * len(units)
    other[12], other[16] = 0.93, 0.07
    return {
        "id": "a",
        "label": "positive",
        "prediction": "positive",
        "probability": 0.994827343,
        "correlation.attention_gradient": 0.251461988,
        "correlation.attention_leave_one_out": 0.134502924,
        "permutation.distance": 0.193005779,
        "permutation.jsd": 0.41,
        "adversarial.relative_jsd": 0.971,
        "adversarial.distance": 0.0499,
        "units": units,
        "attention": own,
        "gradient": [0.05 * (i % 4) for i in range(len(units))],
        "adversarial.attention": other,
    }


def test_under_each_shading_stands_what_the_model_says(record: dict[str, Any]) -> None:
    def said(field: str) -> str:
        return under(field, record, LABELS, 0.05)

    record["leave_one_out"] = [0.0] * 17
    record["leave_one_out"][15] = 0.4321
    assert said("attention") == (
        "Predicts positive (probability 0.995). Most attention: “good”, 58%."
    )
    assert said("gradient") == (
        "Predicts positive (probability 0.995). The slightest change of “sometimes” would move "
        "this most. Tau with attention: 0.25."
    ).replace("sometimes", record["units"][3])
    assert said("leave_one_out") == (
        "Predicts positive (probability 0.995). Without “good” the probability moves most: by "
        "0.432. Tau with attention: 0.13."
    )
    assert said("adversarial.attention").startswith(
        "Still predicts positive: the output moves by 0.050 (0.05 is allowed). Most attention: "
    )


def test_an_adversary_near_the_border_is_not_said_to_keep_the_prediction(
    record: dict[str, Any],
) -> None:
    record["probability"] = 0.52
    said = under("adversarial.attention", record, LABELS, 0.05)
    assert said.startswith("Predicts nearly the same: ")


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_kept_binary_prediction_is_kept_whatever_the_direction(p: float, moved: float) -> None:
    record = {"probability": p, "prediction": LABELS[p > 0.5]}
    if is_prediction_kept(record, moved):
        assert {p > 0.5, p + moved > 0.5, p - moved > 0.5} == {p > 0.5}


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_a_kept_softmax_prediction_is_kept_by_any_output_that_near(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    own, other = random.dirichlet(np.ones(n), size=2)
    moved = float(np.abs(own - other).sum() / 2)
    record = {"probability": own.tolist(), "prediction": "x"}
    if is_prediction_kept(record, moved + 1e-12):
        assert own.argmax() == other.argmax()


def test_of_several_labels_nothing_is_sure() -> None:
    record = {"probability": [0.99, 0.01], "prediction": ["joy"]}
    assert not is_prediction_kept(record, 0.0001)


def test_equal_attention_keeps_the_prediction_or_changes_it(record: dict[str, Any]) -> None:
    assert uniform(record) is None
    record |= {"permutation.uniform.prediction": "positive", "permutation.uniform.distance": 0.1}
    assert uniform(record) == "Still predicts positive: the output moves by 0.100."
    record["permutation.uniform.prediction"] = "negative"
    assert uniform(record) == "Predicts negative: the output moves by 0.100."
    assert "uniform" in tags(record)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ["right", "moved", "replaceable"]),
        ({"label": "negative"}, ["wrong", "moved", "replaceable"]),
        ({"label": None, "adversarial.relative_jsd": 0.5}, ["moved"]),
        ({"permutation.distance": 0.02}, ["right", "unmoved", "replaceable"]),
        ({"permutation.distance": 0.1}, ["right", "moved", "replaceable"]),
        ({"permutation.distance": 0.09}, ["right", "unmoved", "replaceable"]),
        # a margin that moved, and shuffles that turn the decision, are no output that stays
        (
            {"permutation.distance": 0.02, "permutation.margin": 1.56},
            ["right", "moved", "replaceable"],
        ),
        ({"permutation.distance": 0.02, "permutation.turned": 0.27}, ["right", "replaceable"]),
        ({"permutation.jsd": 0.1}, ["right", "moved", "replaceable"]),
        ({"permutation.jsd": 0.09}, ["right", "even", "replaceable"]),
        ({"adversarial.relative_jsd": 0.9}, ["right", "moved", "replaceable"]),
        ({"adversarial.relative_jsd": 0.89}, ["right", "moved"]),
        (
            {
                "correlation.attention_gradient_p_value": 0.01,
                "correlation.attention_leave_one_out_p_value": 0.06,
            },
            ["right", "moved", "replaceable"],
        ),
        (
            {
                "correlation.attention_gradient_p_value": 0.01,
                "correlation.attention_leave_one_out_p_value": 0.05,
            },
            ["right", "agrees", "moved", "replaceable"],
        ),
        (
            {"correlation.attention_gradient": -0.1, "correlation.attention_leave_one_out": 0.0},
            ["right", "disagrees", "moved", "replaceable"],
        ),
        (
            {"label": ["b", "a"], "prediction": ["a", "b"], "adversarial.relative_jsd": None},
            ["right", "moved"],
        ),
    ],
)
def test_verdicts_of_an_example(
    record: dict[str, Any], change: dict[str, Any], expected: list[str]
) -> None:
    assert tags({**record, **change}) == expected


def test_what_is_shown_instead_follows_attention_and_what_was_not_asked_for_is_left_out(
    report: Report,
) -> None:
    sampled = report.sampled_examples[0]
    scores = [0.1] * len(sampled["units"])
    every = {"gradient_x_input": scores, "rollout": scores}
    found = recommended(Orders(GRADIENT_X_INPUT, erased(0.5, 1), None))
    made = section(
        report.model_copy(
            update={
                "recommendation": found,
                "sampled_examples": (sampled | every,),
                "telling_examples": (),
            }
        )
    )
    assert made is not None
    (block,) = made.blocks
    assert isinstance(block, Examples)
    (shown,) = block.examples
    names = [row.name for row in shown.shaded.rows]
    assert names[:2] == ["the model's attention", "gradient x input"]
    assert "gradient importance" in names
    assert "attention rollout" not in names
    assert shown.beside == "gradient x input"


def test_words_that_decide_without_attention_are_marked_and_what_is_so_without_them(
    report: Report,
) -> None:
    found = next(e for e in report.telling_examples if e.reason == "unattended")
    shown = section(report.model_copy(update={"telling_examples": (found,)}))
    assert shown is not None
    (block,) = shown.blocks
    assert isinstance(block, Examples)
    example, n = block.examples[0], found.record["attended.n_unattended"]
    attention, marked = example.in_pair
    assert attention.values == tuple(found.record["attention"])
    assert marked.values == tuple(float(rank < n) for rank in ranks(found.record["attention"]))
    assert f"Without these {n} words the decision is no longer this one" in marked.under
    assert f"Of them “{found.record['attended.decider']}” counts most." in marked.under


def ranks(values: Sequence[float]) -> list[int]:
    """The place of each, from the least."""
    return [sorted(values).index(value) for value in values]


def test_examples_that_are_telling_and_drawn_are_counted_once(report: Report) -> None:
    shown = section(report)
    assert shown is not None
    (block,) = shown.blocks
    assert isinstance(block, Examples)
    n_both = sum(bool(e.reasons) and e.is_sampled for e in block.examples)
    assert f"drawn at random, {n_both} of them both." in block.introduction
