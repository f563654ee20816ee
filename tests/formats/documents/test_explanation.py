"""What is said of one text, and that it says no more than was measured."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from attn_audit.findings.attended import for_and_against
from attn_audit.findings.registry import record_fields
from attn_audit.formats.documents.explanation import certainty, document, meaning
from attn_audit.formats.terminal import show
from attn_audit.results.answers import Explanation, ModelOutput
from tests.tiny import tiny_model

OWN = ModelOutput(prediction="label1", probabilities=(0.2, 0.8), distance=0.0)
MOVED = ModelOutput(prediction="label0", probabilities=(0.7, 0.3), distance=0.5)

RECORD: dict[str, Any] = {
    **{field.name: None for field in record_fields()},
    "n_units": 4,
    "truncated": False,
    "audited_mass": 1.0,
    "units": ["a", "fine", "old", "film"],
    "attention": [0.1, 0.6, 0.0, 0.3],
    "gradient": [0.1, 0.6, 0.0, 0.3],
    "leave_one_out": [0.0001, 0.0003, 0.0, 0.0],
    "adversarial.attention": [1.0, 0.0, 0.0, 0.0],
    "correlation.attention_gradient": 0.9,
    "correlation.attention_leave_one_out": 0.8,
    "correlation.gradient_leave_one_out": 0.7,
    "correlation.attention_gradient_p_value": 0.01,
    "adversarial.max_jsd": 0.5,
    "adversarial.relative_jsd": 0.9,
    "adversarial.method": "exact",
    "adversarial.distance": 0.01,
    "permutation.distance": 0.02,
    "correlation.status": "measured",
    "adversarial.status": "measured",
}


def explained(**changes: Any) -> Explanation:
    return Explanation(
        model=tiny_model().describe(),
        text="a fine old film",
        text_pair=None,
        layer=0,
        head=None,
        rows="readout",
        unit="token",
        seed=0,
        epsilon=0.01,
        permutations=100,
        record={**RECORD, **changes},
        own=OWN,
        adversarial=OWN,
        uniform=None,
        left_out=1,
        without=MOVED,
    )


def shown(found: Explanation, width: int = 80, encoding: str = "utf-8") -> str:
    class Terminal(StringIO):
        @property
        def encoding(self) -> str:  # type: ignore[override]
            return encoding

    text = Terminal()
    show(document(found), Console(file=text, width=width, no_color=True))
    return text.getvalue()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({}, "Almost entirely different attention keeps the output within 0.01"),
        (
            {"adversarial.relative_jsd": 0.89},
            "Very different attention keeps the output within 0.01",
        ),
        ({"adversarial.relative_jsd": 0.5}, "Very different attention"),
        ({"adversarial.relative_jsd": 0.49}, "No very different attention"),
        ({"adversarial.relative_jsd": 0.1}, "No very different attention"),
        (
            {"adversarial.relative_jsd": 0.1, "adversarial.method": "gradient"},
            "As far as was searched, no",
        ),
        ({}, "ranks the tokens much as the importance measures do (tau 0.90 with gradients"),
        ({"correlation.attention_gradient": -0.1}, "ranks the tokens partly as"),
        ({"correlation.attention_gradient": -0.9}, "does not rank the tokens as"),
        ({"correlation.attention_gradient": 0.0}, "ranks the tokens much as"),
        ({"correlation.attention_gradient": -0.02}, "ranks the tokens partly as"),
        ({"correlation.attention_gradient": -0.4}, "ranks the tokens partly as"),
        ({"correlation.attention_gradient": -0.42}, "does not rank the tokens as"),
        ({}, "0.70 between these two"),
        (
            {"adversarial.relative_jsd": None, "adversarial.status": "undefined_no_audited_mass"},
            "cannot be said (less than 1e-6 of the attention",
        ),
    ],
)
def test_the_sentence_follows_from_the_numbers(changes: dict[str, Any], part: str) -> None:
    assert part in meaning(explained(**changes))


def test_certainty_is_what_is_known() -> None:
    assert certainty(explained()) == "the proven optimum"
    searched = {"adversarial.method": "gradient"}
    assert "more may exist" in certainty(explained(**searched))
    assert "more may exist" in certainty(
        explained(**searched, **{"adversarial.relative_jsd": 0.9998})
    )
    assert (
        certainty(explained(**searched, **{"adversarial.relative_jsd": 1.0}))
        == "nothing can be farther"
    )


def test_figures_have_as_many_digits_as_say_something() -> None:
    text = shown(explained())
    assert "most: fine 0.60, film 0.30, a 0.10" in text
    assert "most: fine 3e-4, a 1e-4" in text


def test_a_changed_prediction_is_marked_in_words() -> None:
    lines = shown(explained()).splitlines()
    (line,) = [line for line in lines if line.strip().startswith("without 'fine'")]
    assert line.split()[2:] == ["label0", "(changed)", "0.700", "0.500"]


def test_a_tau_without_a_p_value_says_why() -> None:
    found = explained(**{"correlation.attention_gradient_p_value": None})
    assert "tau with attention 0.90 (too short for a p-value)" in shown(found)
    constant = explained(
        **{
            "correlation.attention_gradient": None,
            "correlation.status": "undefined_constant_gradient",
        }
    )
    assert "tau undefined: the gradient is the same for every unit" in shown(constant)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_too_long(width: int) -> None:
    for line in shown(explained(), width=width).splitlines():
        assert len(line) <= min(width, 100)


def test_ascii_terminals_get_ascii() -> None:
    assert shown(explained(units=["à", "fine", "old", "film"]), encoding="ascii").isascii()


def test_what_speaks_for_and_against_is_said_with_its_share_of_the_margin() -> None:
    text = " ".join(shown(explained(margin_lost=[0.0, 0.6, -0.2, 3.0])).split())
    assert "for and against" in text
    film, fine = "“film” (without it the decision turns)", "“fine” 60% of the margin"
    assert f"For it: {film}, {fine}. Against it: “old” 20% of the margin." in text
    label = for_and_against(["fine", "old"], [3.0, -1.2], "glad")
    assert label == (
        "For “glad”: “fine” more than 100% of the margin. Against “glad”: “old” more than 100% of "
        "the margin."
    )


def test_that_no_word_matters_is_an_answer() -> None:
    text = shown(explained(margin_lost=[0.001, 0.049, -0.049, 0.0]))
    assert "No word matters here" in text
    assert "No word matters here" not in shown(explained(margin_lost=[0.0, 0.0, -0.05, 0.0]))
