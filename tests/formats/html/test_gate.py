"""A policy's verdict on the first screen."""

from datetime import date

import pytest
from attn_audit.formats.html.gate import gate

from attn_audit.formats import html
from attn_audit.results.report import Report
from attn_audit.results.summary import Interval
from attn_audit.results.verdict import Judgement, Level, Outcome, Verdict, Waiver
from tests.formats.html.test_hostile_text import elements


def judgement(
    outcome: Outcome, level: Level = Level.FAIL, waiver: Waiver | None = None
) -> Judgement:
    return Judgement(
        metric=f"metric.{outcome.value}",
        definition="What it is.",
        direction="max",
        limit=0.15,
        level=level,
        outcome=outcome,
        estimate=0.21,
        interval=Interval(low=0.19, high=0.23, method="bootstrap"),
        n=1818,
        reason="The interval lies above.",
        look_at="Look at <b>figures</b>.",
        waiver=waiver,
    )


@pytest.fixture
def verdict() -> Verdict:
    outcomes = (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL)
    return Verdict(
        policy="strict <policy>.toml",
        policy_sha256="ab" * 32,
        judgements=tuple(map(judgement, outcomes)),
    )


def test_says_first_what_did_not_pass(verdict: Verdict) -> None:
    shown = gate(verdict)
    assert (shown.outcome, shown.mark) == ("fail", "✗")
    assert [line.outcome for line in shown.decisive] == ["fail", "inconclusive"]
    assert [line.mark for line in (*shown.decisive, *shown.passed)] == ["✗", "?", "✓"]


def test_shows_bound_and_number_with_interval(verdict: Verdict) -> None:
    line = gate(verdict).decisive[0]
    assert line.bound == "at most 0.15"
    assert line.found == "0.21 [0.19, 0.23], n 1,818"


def test_says_what_is_forgiven(verdict: Verdict) -> None:
    waiver = Waiver(metric="metric.fail", reason="known", expires=date(2030, 1, 2))
    judged = (judgement(Outcome.FAIL, waiver=waiver), judgement(Outcome.FAIL, Level.WARN))
    shown = gate(verdict.model_copy(update={"judgements": judged}))
    assert shown.decisive == ()
    notes = [line.note for line in shown.forgiven]
    assert notes[0].endswith("Waived until 2030-01-02: known.")
    assert notes[1].endswith("A warning: it changes nothing.")


def test_what_was_not_measured_says_so(verdict: Verdict) -> None:
    nothing = judgement(Outcome.INCONCLUSIVE).model_copy(update={"estimate": None, "n": None})
    shown = gate(verdict.model_copy(update={"judgements": (nothing,)}))
    assert shown.decisive[0].found == "not measured"


def test_stands_on_the_first_screen_and_is_escaped(full: Report, verdict: Verdict) -> None:
    page = html.render(full, verdict)
    assert page.index("The gate says:") < page.index('class="cards"')
    assert "<policy>" not in page
    assert elements(page).tags.count("b") == 0
