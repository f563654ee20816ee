"""A verdict on a terminal: every bound, and nothing unsafe."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
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
    last = "The gate failed (5 bounds: 1 failed, 1 inconclusive, 1 warning, 1 waived, 1 passed)."
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
