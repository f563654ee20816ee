"""The first screen: what decided the answer stands first and says so, in every format."""

import pytest

from attn_audit.document import Glance, Hue, Points
from attn_audit.findings.rule import Outcome
from attn_audit.formats import html, markdown, terminal
from attn_audit.formats.documents.report import cards, document
from attn_audit.formats.documents.verdict import answered, deciding_numbers
from attn_audit.results.report import Report
from attn_audit.results.verdict import Answer, Judgement, MayShow
from attn_audit.statistics.summary import Interval
from tests.formats.judging import answer, judgement

DECISIVE, NOT_DECISIVE = "This decided the answer", "The other checks did not decide it"


def of(metric: str, outcome: Outcome = Outcome.PASS) -> Judgement:
    check = metric.partition(".")[0] if "." in metric else None
    return judgement(outcome, metric=metric, check=check)


def because(verdict: MayShow, *judged: Judgement, names: tuple[str, ...]) -> Answer:
    return answer(verdict, *judged).model_copy(update={"because": names})


EFFECT = of("attended.polarity", Outcome.FAIL)
AREA = of("performance.roc_auc", Outcome.FAIL)


@pytest.mark.parametrize(
    ("found", "checks"),
    [
        (because(MayShow.NO, EFFECT, names=(EFFECT.metric,)), ("attended",)),
        (because(MayShow.HINT, AREA, EFFECT, names=(EFFECT.metric, AREA.metric)),
         ("attended", "performance")),
        # The same number passes the rule of another level.
        (because(MayShow.HINT, of("attended.polarity"), EFFECT, names=(EFFECT.metric,)),
         ("attended",)),
        (because(MayShow.UNKNOWN, of("min_examples", Outcome.INCONCLUSIVE), EFFECT,
                 names=("min_examples", EFFECT.metric)), ()),
        (because(MayShow.YES, of("a.a"), of("b.a"), of("c.a"), names=("a.a", "b.a", "c.a")),
         ("a", "b")),
    ],
)  # fmt: skip
def test_the_checks_behind_an_answer(found: Answer, checks: tuple[str, ...]) -> None:
    assert found.deciding_checks == checks


def decided_by(report: Report, *judged: Judgement) -> Report:
    names = tuple(each.metric for each in judged)
    return report.model_copy(update={"answer": because(MayShow.NO, *judged, names=names)})


def test_their_cards_come_first_and_none_is_lost(report: Report) -> None:
    (glance,) = (
        block
        for block in document(decided_by(report, EFFECT, AREA)).sections[0].blocks
        if isinstance(block, Glance)
    )
    assert [card.id for card in glance.decisive] == ["attended", "model"]
    every = [card.id for card in cards(report)]
    assert sorted(card.id for card in (*glance.decisive, *glance.others)) == sorted(every)
    shown = {card.id: card for card in cards(report)}
    assert all(card == shown[card.id] for card in glance.others)


def test_their_pictures_are_of_the_numbers_that_decided_and_their_limits(report: Report) -> None:
    effect = EFFECT.model_copy(update={"limit": 0.25, "direction": "max"})
    for area in (AREA, AREA.model_copy(update={"estimate": None, "interval": None})):
        (glance,) = (
            block
            for block in document(decided_by(report, effect, area)).sections[0].blocks
            if isinstance(block, Glance)
        )
        attended, model = (card.picture for card in glance.decisive)
        assert isinstance(attended, Points)
        assert attended.rows == (
            ("polarity", effect.estimate, effect.interval, Hue.GRADIENT),
            ("at most 25%", 0.25, None, Hue.YARDSTICK),
        )
        assert attended.limits == (0.0, 0.5)
        assert isinstance(model, Points)
        assert (model.rows[0][0] == "roc auc") == (area is AREA)  # else the card's own


@pytest.mark.parametrize(
    ("high", "limit", "end"),
    [(0.06, 0.05, 0.1), (0.1, 0.05, 0.1), (0.03, 0.05, 0.05), (0.03, 0.25, 0.5), (0.51, 0.05, 1.0)],
)
def test_small_numbers_and_limits_stand_on_a_small_scale(
    report: Report, high: float, limit: float, end: float
) -> None:
    interval = Interval(low=0.01, high=high, method="wilson")
    update = {"limit": limit, "direction": "max", "estimate": 0.02, "interval": interval}
    found = because(MayShow.NO, EFFECT.model_copy(update=update), names=(EFFECT.metric,))
    points = deciding_numbers(found, "attended")
    assert points is not None
    assert (points.limits, points.ends) == ((0.0, end), ("0%", f"{100 * end:g}%"))


def test_one_number_that_two_rules_ask_for_stands_there_once(report: Report) -> None:
    strict, lax = (EFFECT.model_copy(update={"limit": x, "direction": "max"}) for x in (0.25, 0.5))
    found = decided_by(report, strict, lax)
    assert found.answer is not None
    points = deciding_numbers(found.answer, "attended")
    assert points is not None
    assert [row[0] for row in points.rows] == ["polarity", "at most 25%", "at most 50%"]


def test_every_format_says_so_in_words(report: Report) -> None:
    made = document(decided_by(report, EFFECT))
    said = "Do the words with most attention speak for the prediction"
    for text in (terminal.render(made), markdown.render(made), html.render(made)):
        first, _, rest = text.partition(NOT_DECISIVE)
        assert first.count(DECISIVE) == 1
        assert DECISIVE not in rest
        assert first.index(DECISIVE) < first.index(said)
        assert "Does the model work?" in rest
    assert f"  - Attended words ({DECISIVE.lower()}): " in terminal.brief(made)


def test_without_an_answer_nothing_is_said_to_have_decided(report: Report) -> None:
    text = terminal.render(document(report.model_copy(update={"answer": None})))
    assert DECISIVE not in text
    assert NOT_DECISIVE not in text


@pytest.mark.parametrize(
    ("instead", "measure", "label", "said"),
    [
        ("Show gradients instead: they do.", "gradient", "Show gradients instead", "they do."),
        ("Nothing is better.", None, "Show instead", "Nothing is better."),
    ],
)
def test_what_to_show_instead_has_a_line_and_a_label_of_its_own(
    instead: str, measure: str | None, label: str, said: str
) -> None:
    update = {"instead": instead, "show_instead": measure}
    found = answered(answer(MayShow.NO).model_copy(update=update))
    assert (found.sentences[1].label, found.sentences[1].text) == (label, said)


@pytest.mark.parametrize("verdict", [MayShow.NO, MayShow.HINT, MayShow.UNKNOWN])
def test_a_report_without_recommendation_says_how_to_ask_for_one(verdict: MayShow) -> None:
    _, instead = answered(answer(verdict)).sentences
    assert instead.label == "Show instead"
    assert "attn-audit recommend MODEL DATA" in str(instead.text)


def test_where_attention_may_be_shown_nothing_stands_in_its_place() -> None:
    assert len(answered(answer(MayShow.YES)).sentences) == 1
