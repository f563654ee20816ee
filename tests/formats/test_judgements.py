"""What becomes of a bound, and how it is said."""

import pytest

from attn_audit.formats.sentences.judgements import (
    Standing,
    explained,
    found,
    in_short,
    listed,
    standing,
    wanted,
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
        "8 bounds: 1 failed, 2 inconclusive, 2 warning, 1 waived, 2 passed"
    )
    assert in_short(verdict()) == "no bounds"


@pytest.mark.parametrize(
    ("judged", "asked", "measured"),
    [
        (judgement(), "at least 0.5", "0.377 [0.354, 0.400]"),
        (judgement(direction="max", limit=0.15), "at most 0.15", "0.377 [0.354, 0.400]"),
        (judgement(limit=100, estimate=1821, interval=None), "at least 100", "1,821"),
        (judgement(estimate=0.75, interval=None), "at least 0.5", "0.750"),
        (judgement(estimate=None, interval=None), "at least 0.5", "not measured"),
    ],
)
def test_bound_and_finding_in_words(judged: Judgement, asked: str, measured: str) -> None:
    assert (wanted(judged), found(judged)) == (asked, measured)


def test_a_waiver_is_told_with_its_reason_and_its_end() -> None:
    told = explained(judgement(Outcome.FAIL, waiver=WAIVER))
    assert told.startswith("The whole interval is below 0.5.")
    assert told.endswith("Waived until 2027-06-30: known")


def test_the_list_opens_with_the_outcome() -> None:
    lines = listed(every_kind())
    assert lines[0].startswith("Policy default: fail (8 bounds: ")
    assert len(lines) == 9
