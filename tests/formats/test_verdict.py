"""A verdict on a terminal: every bound, nothing hidden by rounding, nothing unsafe."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from attn_audit.formats.sentences import verdict as words
from attn_audit.formats.terminal.verdict import render
from attn_audit.results.summary import Interval
from attn_audit.results.verdict import Judgement, Level, Outcome, Verdict, Waiver

Shown = Callable[..., str]


def judgement(**changes: Any) -> Judgement:
    values: dict[str, Any] = {
        "metric": "correlation.gap.attention_leave_one_out.mean",
        "definition": "By how much attention falls short.",
        "direction": "max",
        "limit": 0.15,
        "level": Level.FAIL,
        "outcome": Outcome.FAIL,
        "estimate": 0.3401,
        "interval": Interval(low=0.331, high=0.354, method="bootstrap"),
        "n": 1818,
        "reason": "The whole interval lies above 0.15.",
        "look_at": "the report.",
        "check": "correlation",
        "why": "Measured on SST.",
    }
    return Judgement(**{**values, **changes})


def verdict(*judgements: Judgement) -> Verdict:
    return Verdict(
        policy="default", policy_sha256="ab" * 32, subject="model on data", judgements=judgements
    )


@pytest.mark.parametrize(
    ("low", "high"), [(0.331, 0.354), (0.1504, 0.53), (0.1, 0.1499), (0.149, 0.151)]
)
def test_as_many_digits_as_show_the_side_of_the_limit(low: float, high: float) -> None:
    one = judgement(
        estimate=(low + high) / 2, interval=Interval(low=low, high=high, method="bootstrap")
    )
    written = words.found(one)
    low_written, high_written = written[written.index("[") + 1 : -1].split(", ")
    assert (float(low_written) > 0.15) == (low > 0.15)
    assert (float(high_written) > 0.15) == (high > 0.15)


def test_almost_all_is_not_written_as_all() -> None:
    covered = judgement(metric="min_coverage", estimate=0.9984, interval=None, limit=0.95)
    assert words.found(covered) == "0.998"
    assert words.name(covered) == "min_coverage (correlation)"


def test_counts_are_whole() -> None:
    few = judgement(metric="min_examples", direction="min", limit=1000, estimate=99, interval=None)
    assert (words.found(few), words.wanted(few)) == ("99", "at least 1,000")


def test_what_was_not_measured_says_so() -> None:
    assert words.found(judgement(estimate=None, interval=None)) == "not measured"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_fits_every_screen(shown: Shown, width: int, encoding: str) -> None:
    text = shown(render, verdict(judgement(), judgement(outcome=Outcome.PASS)), width, encoding)
    assert max(map(len, text.splitlines())) <= width
    assert "fail" in text


def test_the_last_line_is_the_whole(shown: Shown) -> None:
    waiver = Waiver(metric="m", reason="known", expires=date(2027, 1, 1))
    found = verdict(
        judgement(),
        judgement(outcome=Outcome.INCONCLUSIVE),
        judgement(waiver=waiver),
        judgement(level=Level.WARN),
        judgement(outcome=Outcome.PASS),
    )
    text = shown(render, found, 100)
    last = "The gate failed: of 5 bounds 1 failed, 1 inconclusive, 1 waived, 1 warned, 1 passed."
    assert text.splitlines()[-1].strip() == last
    assert "fail (waived)" in text
    assert "until 2027-01-01: known" in text


def test_what_passed_is_not_explained(shown: Shown) -> None:
    text = shown(render, verdict(judgement(outcome=Outcome.PASS)), 100)
    assert "Measured on SST" not in text


def test_text_that_others_wrote_is_escaped(shown: Shown) -> None:
    evil = "\x1b[31m[bold]"
    text = shown(render, verdict(judgement(why=evil, look_at=evil, reason=evil)), 80)
    assert "\x1b" not in text
    assert "\\x1b[31m[bold]" in text
