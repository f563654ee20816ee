"""What becomes of a bound, and how it is said."""

import pytest
from attn_audit.formats.sentences.judgements import (
    Standing,
    came_out,
    explained,
    in_short,
    standing,
    whole,
)

from attn_audit.results.verdict import Judgement, Level, Outcome
from tests.formats.judging import WAIVER, every_kind, judgement, verdict


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        (judgement(Outcome.PASS), Standing.PASSED),
        (judgement(Outcome.PASS, level=Level.WARN), Standing.PASSED),
        (judgement(Outcome.PASS, waiver=WAIVER), Standing.PASSED),
        (judgement(Outcome.FAIL), Standing.FAILED),
        (judgement(Outcome.INCONCLUSIVE), Standing.INCONCLUSIVE),
        (judgement(Outcome.FAIL, level=Level.WARN), Standing.WARNING),
        (judgement(Outcome.INCONCLUSIVE, level=Level.WARN), Standing.WARNING),
        (judgement(Outcome.FAIL, waiver=WAIVER), Standing.WAIVED),
        (judgement(Outcome.INCONCLUSIVE, level=Level.WARN, waiver=WAIVER), Standing.WAIVED),
    ],
)
def test_what_becomes_of_a_bound(judged: Judgement, expected: Standing) -> None:
    assert standing(judged) is expected
    stops = expected in (Standing.FAILED, Standing.INCONCLUSIVE)
    assert stops == (judged.counts is not Outcome.PASS)


def test_a_verdict_in_short_counts_the_worst_first() -> None:
    assert in_short(every_kind()) == (
        "8 bounds: 1 failed, 2 inconclusive, 2 warnings, 1 waived, 2 passed"
    )
    assert in_short(verdict()) == "no bounds"


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        (judgement(), "pass"),
        (judgement(Outcome.FAIL), "fail"),
        (judgement(Outcome.FAIL, level=Level.WARN), "fail (warning)"),
        (judgement(Outcome.INCONCLUSIVE, waiver=WAIVER), "inconclusive (waived)"),
    ],
)
def test_an_outcome_is_told_with_what_is_made_of_it(judged: Judgement, expected: str) -> None:
    assert came_out(judged) == expected


def test_a_waiver_is_told_with_its_reason_and_its_end() -> None:
    told = explained(judgement(Outcome.FAIL, waiver=WAIVER))
    assert told.startswith("The whole interval is below 0.5.")
    assert told.endswith("Waived until 2027-06-30: known")


def test_the_whole_opens_with_the_outcome() -> None:
    assert whole(every_kind()).startswith("The gate failed (8 bounds: 1 failed, ")
    assert whole(verdict()) == "The gate passed (no bounds)."
