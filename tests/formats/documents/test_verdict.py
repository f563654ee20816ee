"""A verdict: nothing is hidden by rounding, what became of each bound, and nothing unsafe."""

from collections.abc import Callable
from datetime import date

import pytest

from attn_audit.document import Document
from attn_audit.findings.rule import Outcome
from attn_audit.formats import html
from attn_audit.formats.documents import report as reports
from attn_audit.formats.documents.verdict import (
    Standing,
    answer_section,
    answered,
    came_out,
    document,
    explained,
    found,
    in_short,
    name,
    standing,
    wanted,
    whole,
)
from attn_audit.judgement.gate import judge
from attn_audit.judgement.policy import load_policy
from attn_audit.results.report import Report
from attn_audit.results.verdict import Judgement, Level, MayShow, Waiver
from attn_audit.statistics.summary import Interval
from tests.formats.html.test_hostile_text import elements
from tests.formats.judging import WAIVER, answer, every_kind, hostile_verdict, judgement, verdict

Shown = Callable[..., str]


@pytest.mark.parametrize(
    ("judged", "asked", "measured"),
    [
        (judgement(), "at least 0.5", "0.38 [0.35, 0.40]"),
        (judgement(direction="max", limit=0.15), "at most 0.15", "0.38 [0.35, 0.40]"),
        (judgement(estimate=0.75, interval=None), "at least 0.5", "0.75"),
        (judgement(estimate=None, interval=None), "at least 0.5", "not measured"),
    ],
)
def test_bound_and_finding_in_words(judged: Judgement, asked: str, measured: str) -> None:
    assert (wanted(judged), found(judged)) == (asked, measured)


@pytest.mark.parametrize(
    ("low", "high"), [(0.331, 0.354), (0.1504, 0.53), (0.1, 0.1499), (0.149, 0.151)]
)
def test_as_many_digits_as_show_the_side_of_the_limit(low: float, high: float) -> None:
    one = judgement(
        direction="max",
        limit=0.15,
        estimate=(low + high) / 2,
        interval=Interval(low=low, high=high, method="bootstrap"),
    )
    written = found(one)
    low_written, high_written = written[written.index("[") + 1 : -1].split(", ")
    assert (float(low_written) > 0.15) == (low > 0.15)
    assert (float(high_written) > 0.15) == (high > 0.15)


def test_almost_all_is_not_written_as_all() -> None:
    covered = judgement(
        metric="min_coverage", check="correlation", estimate=0.9984, interval=None, limit=0.95
    )
    assert found(covered) == "0.998"
    assert name(covered) == "min_coverage (correlation)"


def test_counts_are_whole() -> None:
    few = judgement(metric="min_examples", direction="min", limit=1000, estimate=99, interval=None)
    assert (found(few), wanted(few)) == ("99", "at least 1,000")


def test_what_was_not_measured_says_so() -> None:
    assert found(judgement(estimate=None, interval=None)) == "not measured"


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


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_fits_every_screen(shown: Shown, width: int, encoding: str) -> None:
    text = shown(
        document(verdict(judgement(Outcome.FAIL), judgement(Outcome.PASS))), width, encoding
    )
    assert max(map(len, text.splitlines())) <= width
    assert "fail" in text


def test_the_first_line_is_the_whole(shown: Shown) -> None:
    waiver = Waiver(metric="m", reason="known", expires=date(2027, 1, 1))
    judged = verdict(
        judgement(Outcome.FAIL),
        judgement(Outcome.INCONCLUSIVE),
        judgement(Outcome.FAIL, waiver=waiver),
        judgement(Outcome.FAIL, level=Level.WARN),
        judgement(Outcome.PASS),
    )
    text = shown(document(judged), 100)
    first = "✗ The gate failed (5 bounds: 1 failed, 1 inconclusive, 1 warning, 1 waived, 1 passed)."
    assert text.splitlines()[0] == first
    assert "fail (waived)" in text
    assert "until 2027-01-01: known" in text


@pytest.mark.parametrize(
    ("said", "mark"),
    [
        (MayShow.YES, "✓ Yes, within limits"),
        (MayShow.HINT, "! Only as a hint"),
        (MayShow.NO, "✗ No"),
        (MayShow.UNKNOWN, "? Cannot be told"),
    ],
)
def test_of_a_report_the_first_lines_are_its_answer_and_the_whole_follows(
    shown: Shown, said: MayShow, mark: str
) -> None:
    judged = verdict(judgement(), of=answer(said))
    lines = shown(document(judged), 100).splitlines()
    assert lines[0] == "May its attention weights be shown as the reason?"
    assert lines[1] == mark
    assert lines[2].startswith("  Words decide 8.0% of the texts.")
    assert any(line.strip() == "✓ The gate passed (1 bound: 1 passed)." for line in lines)


OTHERWISE = "The policy mine.toml {}: it asks for other things, and changes nothing here."


@pytest.mark.parametrize(
    ("said", "found", "otherwise"),
    [
        (MayShow.NO, Outcome.PASS, "passed"),
        (MayShow.NO, Outcome.INCONCLUSIVE, "inconclusive"),
        (MayShow.UNKNOWN, Outcome.PASS, "passed"),
        (MayShow.HINT, Outcome.FAIL, "failed"),
        (MayShow.YES, Outcome.FAIL, "failed"),
        (MayShow.YES, Outcome.INCONCLUSIVE, "inconclusive"),
        (MayShow.YES, Outcome.PASS, None),
        (MayShow.HINT, Outcome.PASS, None),
        (MayShow.NO, Outcome.FAIL, None),
        (MayShow.UNKNOWN, Outcome.INCONCLUSIVE, None),
        (MayShow.UNKNOWN, Outcome.FAIL, None),
    ],
)
def test_a_gate_that_comes_out_otherwise_is_reconciled_with_the_answer(
    said: MayShow, found: Outcome, otherwise: str | None
) -> None:
    judged = verdict(judgement(found), policy="mine.toml", of=answer(said))
    line = answered(answer(said), judged).text
    assert ("The policy mine.toml" in line) == (otherwise is not None)
    if otherwise is not None:
        assert line.endswith(OTHERWISE.format(otherwise))


def test_why_the_answer_is_so_is_told_of_every_rule(shown: Shown) -> None:
    found = answer(
        MayShow.NO,
        judgement(Outcome.FAIL, level=Level.NO, why="Measured on SST."),
        judgement(Outcome.FAIL, metric="attended.polarity", level=Level.HINT, why="As a hint."),
    )
    text = shown(Document("a", "b", "c", sections=(answer_section(found),)), 100)
    assert all(said in text for said in ("permutation.moved", "Measured on SST.", "As a hint."))
    assert "Packaged rules, version 1 (0123456789ab): " in " ".join(text.split())


def test_what_passed_is_not_explained(shown: Shown) -> None:
    text = shown(document(verdict(judgement(Outcome.PASS, why="Measured on SST."))), 100)
    assert "Measured on SST" not in text


def test_text_that_others_wrote_is_escaped(shown: Shown) -> None:
    evil = "\x1b[31m[bold]"
    text = shown(
        document(verdict(judgement(Outcome.FAIL, why=evil, look_at=evil, reason=evil))), 80
    )
    assert "\x1b" not in text
    assert "\\x1b[31m[bold]" in text


def test_what_did_not_pass_stands_first_and_the_rest_is_folded(report: Report) -> None:
    page = html.render(reports.document(report, every_kind())).replace("<wbr>", "")
    assert page.index('<p class="answered') < page.index("The gate failed")
    assert page.index("The gate failed") < page.index('class="cards"')
    folded = page.index("<details>", page.index("The gate failed"))
    assert page.index("permutation.moved") < folded < page.index("min_examples")
    assert "2 warnings, 1 waived: they did not pass, and nothing fails by them" in page
    assert "2 that passed" in page


def test_bounds_that_are_the_packaged_rules_stand_once(report: Report) -> None:
    rules = judge(report, load_policy())
    page = html.render(reports.document(report, rules)).replace("<wbr>", "")
    assert page.count(">min_coverage (attended)<") == 1
    others = rules.model_copy(update={"judgements": rules.judgements[::-1]})
    page = html.render(reports.document(report, others)).replace("<wbr>", "")
    assert page.count(">min_coverage (attended)<") == 2


def test_one_warning_is_one(shown: Shown) -> None:
    text = shown(document(verdict(judgement(Outcome.FAIL, level=Level.WARN))), 80)
    assert "1 warning: it did not pass, and nothing fails by it" in text


def test_a_hint_of_the_packaged_rules_limits_the_answer(shown: Shown) -> None:
    judged = verdict(judgement(Outcome.FAIL, level=Level.HINT))
    text = " ".join(shown(document(judged.model_copy(update={"is_of_rules": True})), 80).split())
    said = "it did not pass, and by permutation.moved the answer is “Only as a hint” at most."
    assert f"1 warning: {said}" in text
    assert "at least 50%, else a hint" in text
    assert "38% [35%, 40%]" in text


@pytest.mark.parametrize(
    ("limit", "low", "high", "measured"),
    [
        (0.05, 0.021, 0.06, "6.0% [2.1%, 6.0%]"),
        (0.351, 0.3512, 0.4, "40.00% [35.12%, 40.00%]"),  # 35 % is on the other side
    ],
)
def test_shares_are_percent_on_their_side_of_the_limit(
    limit: float, low: float, high: float, measured: str
) -> None:
    interval = Interval(low=low, high=high, method="wilson")
    one = judgement(direction="max", limit=limit, estimate=high, interval=interval)
    assert wanted(one, in_percent=True) == f"at most {100 * limit:g}%"
    assert found(one, in_percent=True) == measured


LONG = "correlation.attention_leave_one_out.positive_after_correction"


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_names_are_never_broken_and_a_warning_takes_a_line(shown: Shown, width: int) -> None:
    failed = judgement(Outcome.FAIL, metric=LONG, reason="Too low.")
    warned = judgement(Outcome.FAIL, metric="permutation.turned", level=Level.WARN, why="As said.")
    lines = shown(document(verdict(warned, failed)), width).splitlines()
    assert [LONG in line for line in lines].count(True) == 2  # in the table, and with its reason
    (line,) = [line for line in lines if "permutation.turned" in line]
    assert "! fail" in line
    assert not any("As said." in line for line in lines)


def test_a_hostile_policy_makes_no_element(report: Report) -> None:
    page = html.render(reports.document(report, hostile_verdict()))
    assert elements(page).tags.count("b") == 0
