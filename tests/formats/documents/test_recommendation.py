from typing import Any

from attn_audit.document import Paragraph, Table
from attn_audit.formats.documents.recommendation import section
from attn_audit.results.model_description import HeadMix
from attn_audit.results.report import Cost
from attn_audit.results.verdict import Candidate, Part, Recommendation
from attn_audit.statistics.summary import Interval


def part(own: float, neutral: float | None = None, *, half: float = 0.01) -> Part:
    other = own if neutral is None else neutral
    intervals = (
        Interval(low=each - half, high=each + half, method="bootstrap") for each in (own, other)
    )
    first, second = intervals
    return Part(own=own, own_interval=first, neutral=other, neutral_interval=second)


def candidate(measure: str, score: float, passes: int = 2, **more: Any) -> Candidate:
    given: dict[str, Any] = {
        "measure": measure, "by_magnitude": False, "is_signed": False, "is_deterministic": True,
        "passes": passes, "n": 60, "score": part(score, score - 0.1),
        "over_attention": part(score - 0.2), "over_random": part(score - 0.1), "p_value": 0.001,
        "passed": True,
    }  # fmt: skip
    return Candidate(**given | more)


FOUND = Recommendation(
    n_fitting=50, n_judged=60, attention=part(0.2), random=part(0.1),
    attention_over_random=part(0.1), permuted_over_random=part(0.0, 0.02, half=0.03),
    candidates=(
        candidate("integrated_gradients", 0.6, 102, is_signed=True),
        candidate("attention_gradient", 0.5),
        candidate("head_mix", 0.4, 1, is_signed=True, is_deterministic=False, passed=False),
    ),
    cheap="attention_gradient", best="integrated_gradients", tied=(),
    show_instead="attention_gradient", sentence="Show attention x gradient instead.", short="",
)  # fmt: skip
COSTS = {
    "integrated_gradients": Cost(n=60, passes=351.6, milliseconds=1234.56),
    "attention_gradient": Cost(n=60, passes=2.0, milliseconds=21.4),
    "attention": Cost(n=60, passes=1.0, milliseconds=15.0),
}
MIX = HeadMix(n_texts=50, passes=1650, weights=((1.0, 2.0),))


def tables(found: Recommendation, **more: Any) -> list[Table]:
    return [block for block in section(found, **more).blocks if isinstance(block, Table)]


def said(found: Recommendation, **more: Any) -> list[str]:
    return [str(b.text) for b in section(found, **more).blocks if isinstance(b, Paragraph)]


def test_a_row_says_what_a_measure_took_and_how_its_scores_are() -> None:
    _, costs = tables(FOUND, costs=COSTS)
    assert costs.columns == ("measure", "passes a text", "ms a text", "signed", "deterministic")
    assert costs.rows == (
        ("integrated gradients", "352", "1,234.6", "yes", "yes"),
        ("attention x gradient", "2", "21.4", "no", "yes"),
        ("the head mix", "1", "-", "yes", "no"),
        ("attention", "1", "15.0", "no", "yes"),
    )


def test_without_a_clock_passes_are_those_of_the_rule() -> None:
    _, costs = tables(FOUND)
    assert [row[1:3] for row in costs.rows] == [("102", "-"), ("2", "-"), ("1", "-"), ("1", "-")]
    assert costs.note == "As a rule: nothing was timed, or it was on other machines."


def test_scores_of_the_data_may_be_drawn_or_not() -> None:
    unknown = FOUND.model_copy(
        update={"candidates": (candidate("rollout", 0.4, is_deterministic=None),)}
    )
    assert tables(unknown)[1].rows[0][-1] == "-"


def test_the_best_within_few_passes_and_the_best_at_any_cost_are_two_lines() -> None:
    lines = said(FOUND)
    assert "Best within 3 passes a text: attention x gradient, which removes 0.50 / 0.40." in lines
    assert "Best at any cost: integrated gradients, which removes 0.60 / 0.50." in lines
    none = FOUND.model_copy(update={"cheap": None, "best": "leave_one_out", "candidates": (
        candidate("leave_one_out", 0.6, 20),
    )})  # fmt: skip
    assert "Best within 3 passes a text: none." in said(none)
    assert (
        "Best at any cost: leave-one-out (the greedy reference of this very number, which removes "
        "words, too), which removes 0.60 / 0.50."
    ) in said(none)


def test_the_mix_has_its_fit_and_its_control_beside_it() -> None:
    lines = said(FOUND, mix=MIX)
    assert (
        "The head mix was fitted to 50 texts first, which took 1,650 passes once; after that a "
        "text takes one."
    ) in lines
    assert (
        "Fitted to permuted effects instead, a head mix is 0.00 [-0.03, 0.03] above random order, "
        "and by neutral units 0.02 [-0.01, 0.05]: it falls to random order, as it must."
    ) in lines
    odd = FOUND.model_copy(update={"permuted_over_random": part(0.1)})
    assert any("it does not fall to random order" in line for line in said(odd))
    one_way = FOUND.model_copy(update={"permuted_over_random": part(0.0, 0.1)})
    assert any("one way it does not fall to random order" in line for line in said(one_way))
    without = FOUND.model_copy(update={"permuted_over_random": None})
    assert not any("permuted" in line for line in said(without))


def test_what_removes_nothing_is_marked_so() -> None:
    nothing = candidate(
        "rollout", -0.1, passed=False, over_attention=part(0.2), over_random=part(0.1)
    )
    measures, _ = tables(FOUND.model_copy(update={"candidates": (nothing,)}))
    assert measures.rows[0][1] == "no, not above 0"
