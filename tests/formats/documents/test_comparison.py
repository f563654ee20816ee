"""A comparison, and the list of metrics, on a terminal."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from attn_audit.document import Details
from attn_audit.findings.registry import all_fields, statistics
from attn_audit.findings.rule import Outcome
from attn_audit.formats import html
from attn_audit.formats.documents import comparison as words
from attn_audit.formats.documents import definitions
from attn_audit.numbers import difference
from attn_audit.results.verdict import Change, ChangedExample, Comparison, Side
from attn_audit.statistics.summary import Interval
from tests.formats.judging import judgement, verdict

Shown = Callable[..., str]
LONG = "correlation.attention_leave_one_out.significantly_negative"


def change(metric: str = LONG, low: float = -0.03, high: float = -0.01, **more: Any) -> Change:
    values: dict[str, Any] = {
        "base": 0.5,
        "new": 0.48,
        "difference": (low + high) / 2,
        "interval": Interval(low=low, high=high, method="bootstrap"),
        "effect_size": -0.21,
        "n": 1818,
        "n_undefined": 3,
        "is_paired": True,
    }
    return Change(metric=metric, definition=statistics()[metric].definition, **{**values, **more})


def compared(*changes: Change, **more: Any) -> Comparison:
    side = Side(report="a.json", model="model.pt", model_sha256=None, data="d", n_examples=1821)
    values: dict[str, Any] = {"n_pairs": 1821, "why_unpaired": None, "notes": ()}
    return Comparison(base=side, new=side, changes=changes, **{**values, **more})


@pytest.mark.parametrize("width", [60, 80, 100, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_fits_every_screen(shown: Shown, width: int, encoding: str) -> None:
    text = shown(words.document(compared(change(), change("permutation.moved"))), width, encoding)
    assert max(map(len, text.splitlines())) <= width
    assert "-0.020 [-0.030, -0.010]" in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_long_names_stand_alone_and_whole_above_their_numbers(shown: Shown, width: int) -> None:
    lines = [line.strip() for line in shown(words.document(compared(change())), width).splitlines()]
    numbers = lines[lines.index(LONG) + 1]
    assert numbers.startswith("0.500" if width > 60 else "base 0.500")


@pytest.mark.parametrize(
    ("metric", "low", "high", "said"),
    [
        ("performance.accuracy", 0.01, 0.03, "▲ +0.020 [+0.010, +0.030] better"),
        ("performance.accuracy", -0.03, -0.01, "▼ -0.020 [-0.030, -0.010] worse"),
        ("attended.unattended_decide", 0.01, 0.03, "▲ +0.020 [+0.010, +0.030] worse"),
        (LONG, 0.01, 0.03, "▲ +0.020 [+0.010, +0.030]"),
        ("performance.accuracy", -0.01, 0.03, "+0.010 [-0.010, +0.030]"),
    ],
)
def test_a_change_is_better_or_worse_as_the_rules_read_it(
    metric: str, low: float, high: float, said: str
) -> None:
    page = html.render(words.document(compared(change(metric, low, high))))
    cell = re.search(r'data-name="change">(.*?)</td>', page, re.DOTALL)
    assert cell is not None
    assert re.sub("<.*?>", "", cell[1]).strip() == said


def test_a_change_that_rounding_hides_is_listed_with_those_that_are_none() -> None:
    tiny = change("performance.accuracy", 0.0001, 0.0003)
    first = words.document(compared(tiny)).sections[0].blocks[0]
    assert isinstance(first, Details)
    assert first.title == "What did not change"
    assert words.in_short(compared(tiny)) == (
        "Of 1 number none changed by more than chance or rounding would."
    )


@pytest.mark.parametrize(
    ("low", "high", "outcome", "said"),
    [
        (-0.03, -0.01, None, "Yes. Worse by more than chance would: performance.accuracy."),
        (-0.03, 0.01, None, "Not measurably. No number that the packaged rules read is worse"),
        (0.01, 0.03, None, "Not measurably. No number that the packaged rules read is worse"),
        (0.01, 0.03, Outcome.PASS, "No. Every change is within what the policy p allows."),
        (-0.3, -0.1, Outcome.FAIL, "Yes. More than the policy p allows: permutation.moved."),
        (-0.3, 0.1, Outcome.INCONCLUSIVE, "Open. These examples do not decide what the policy p "),
    ],
)
def test_whether_it_got_worse_is_answered_in_words(
    low: float, high: float, outcome: Outcome | None, said: str
) -> None:
    judged = None if outcome is None else verdict(judgement(outcome), policy="p")
    found = words.document(compared(change("performance.accuracy", low, high), verdict=judged))
    assert found.question == "Did the new release get worse?"
    assert found.answer is not None
    assert found.answer.text.startswith(said)


@pytest.mark.parametrize("width", range(60, 141))
def test_no_heading_is_broken(shown: Shown, width: int) -> None:
    found = words.document(compared(change(), change("performance.accuracy")))
    headings = [line for line in shown(found, width).splitlines() if line.split()[-1:] == ["n"]]
    assert all(line.split()[0] == "number" for line in headings)


def test_what_has_changed_is_counted() -> None:
    unsure = change("permutation.moved", -0.01, 0.03)
    assert words.in_short(compared(change(), unsure)).startswith("Of 2 numbers 1 has changed")
    assert "none changed" in words.in_short(compared(unsure))
    assert words.in_short(compared()) == "The reports hold no number in common."


def test_an_example_of_accuracy_is_right_or_wrong(shown: Shown) -> None:
    example = ChangedExample(id="e\x1b1", base=1.0, new=0.0, text="so [bold]good\x1b[31m")
    text = shown(words.document(compared(change("performance.accuracy", most_changed=(example,)))))
    assert "e\\x1b1: right → wrong" in text
    assert "so [bold]good\\x1b[31m" in text


def test_what_is_unpaired_or_differs_is_said(shown: Shown) -> None:
    text = shown(
        words.document(compared(why_unpaired="No records.", n_pairs=None, notes=("dtype (a)",)))
    )
    assert "No records." in text
    assert "dtype (a)" in text


def test_a_change_too_small_for_its_digits_has_no_sign() -> None:
    interval = Interval(low=-0.0002, high=0.0004, method="bootstrap")
    assert difference(0.0001, interval) == "0.000 [0.000, 0.000]"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_metrics_fit_every_screen(shown: Shown, width: int) -> None:
    found = definitions.dictionary(tuple(statistics().values()), all_fields())
    text = shown(found.document, width)
    lines = (line.strip().removesuffix(" *") for line in text.splitlines())
    assert all(len(line) <= width or " " not in line for line in lines)
    assert LONG in text
