"""How well the model works: what the explanations are explanations of."""

from dataclasses import dataclass

from attn_audit.document import Bullets, Card, Hue, Phrase, Points, Section, Tone
from attn_audit.findings import performance as metrics
from attn_audit.findings.rule import Outcome, held_number, left_open
from attn_audit.findings.thresholds import WORKS
from attn_audit.numbers import counted, number, percent, share, with_interval
from attn_audit.results.report import Report
from attn_audit.statistics.summary import Interval, Share

CARD = "model"
"""And section."""

UNLABELLED = "no labels, so no accuracy is reported"

USELESS = (
    "The model does not measurably beat that answer, and explanations of a model that does not "
    "work explain nothing."
)


BELOW_CHANCE = (
    "That is less than drawing labels at random would reach: check the order of the labels, the "
    "model's and the data's."
)


def section(report: Report) -> Section:
    """Its accuracy beside the most frequent answer's, and the other scores."""
    sentences = tuple(
        Phrase(sentence, Tone.WARNING if sentence in (USELESS, BELOW_CHANCE) else Tone.PLAIN)
        for sentence in answer(report)
    )
    return Section(CARD, "How well the model works", (Bullets(sentences),), short="Model")


def card(report: Report) -> Card:
    """The same at a glance."""
    return Card(
        id=CARD,
        name="Model",
        question="Does the model work?",
        verdict=verdict(report),
        lines=in_short(report),
        picture=_picture(_score(report)),
    )


@dataclass(frozen=True)
class _Score:
    """What the model is judged by, beside what the same answer to every text reaches."""

    accuracy: Share
    name: str
    constant_is: str
    value: float
    interval: Interval | None
    constant: float

    @property
    def beats(self) -> bool:
        """Whether its interval lies above that."""
        return self.interval is not None and self.interval.low > self.constant


def _score(report: Report) -> _Score | None:
    """The accuracy; where several labels may hold, micro F1: few sets are right in every label."""
    accuracy = report.get(metrics.ACCURACY)
    if accuracy is None or accuracy.share is None:
        return None
    f1, constant = report.get(metrics.MICRO_F1), report.get(metrics.CONSTANT_F1)
    if f1 is not None and f1.value is not None and constant is not None:
        assert constant.value is not None, "it has what micro F1 has"
        label = "always the most frequent label"
        return _Score(accuracy, "micro F1", label, f1.value, f1.interval, constant.value)
    majority = report[metrics.MAJORITY_SHARE].value
    assert majority is not None, "it has what the accuracy has"
    alone = "the most frequent answer alone"
    return _Score(accuracy, "right", alone, accuracy.share, accuracy.interval, majority)


def _picture(score: _Score | None) -> Points | None:
    if score is None:
        return None
    return Points(
        rows=(
            ("model", score.value, score.interval, Hue.GRADIENT),
            ("most frequent", score.constant, None, Hue.YARDSTICK),
        ),
        limits=(0.0, 1.0),
        ends=("0%", "100%") if score.name == "right" else ("0", "1"),
        said=f"Model {percent(score.value)}, {score.constant_is} {percent(score.constant)}",
    )


def verdict(report: Report) -> str:
    """Whether the model does what it is for."""
    score, area = _score(report), report.get(metrics.ROC_AUC)
    if score is None:
        return "Not known: the data has no labels."
    if area is None:
        return "Open: no label has both texts with it and texts without it, to tell them apart."
    match held_number("min", WORKS, area.value, area.interval, area.n or 0):
        case Outcome.PASS:
            return _beats(score)
        case Outcome.FAIL:
            return "No: it hardly tells the labels apart."
        case Outcome.INCONCLUSIVE:
            said = f"ROC AUC {with_interval(area.value, area.interval)}"
            return left_open("performance", report, area.n or 0, said)


def _beats(score: _Score) -> str:
    if score.name != "right":
        if score.beats:
            return "Yes: it tells the labels apart, and is better than guessing."
        return (
            "In part: it tells the labels apart, but is not measurably better than always giving "
            "the most frequent label."
        )
    if score.beats:
        return (
            "Yes: it tells the labels apart, and is right more often than the most frequent answer "
            "alone would be."
        )
    return (
        "In part: it tells the labels apart, but is not measurably right more often than the most "
        "frequent answer alone would be."
    )


def in_short(report: Report) -> tuple[str, ...]:
    """How good the model is, and what it must beat, in short lines."""
    score, area = _score(report), report.get(metrics.ROC_AUC)
    if score is None:
        return (UNLABELLED,)
    beats = "" if score.beats else " - not measurably beaten"
    of_area = [] if area is None else [f"ROC AUC {with_interval(area.value, area.interval, 3)}"]
    right = f"right in {share(score.accuracy, 1)} of the examples"
    if score.name == "right":
        return (right, f"{score.constant_is}: {percent(score.constant, 1)}{beats}", *of_area)
    return (
        f"micro F1 {with_interval(score.value, score.interval, 3)}",
        f"{score.constant_is}: {number(score.constant, 3)}{beats}",
        f"all labels {right}",
        *of_area,
    )


def answer(report: Report) -> tuple[str, ...]:
    """How well the model works, in sentences."""
    score = _score(report)
    if score is None:
        return (
            "The data has no labels, so no accuracy is reported: how well the model works is "
            "unknown here, and explanations of a model that does not work explain nothing.",
        )
    accuracy = score.accuracy
    if score.name == "right":
        said = (
            f"The model is right in {share(accuracy, 1)} of "
            f"{counted(accuracy.n, 'labelled example')}; always giving the most frequent answer "
            f"would be right in {percent(score.constant, 1)}."
        )
    else:
        said = (
            f"The model reaches a micro F1 of {with_interval(score.value, score.interval, 3)} over "
            f"{counted(accuracy.n, 'labelled example')}; always giving the most frequent label "
            f"would reach {number(score.constant, 3)}. It gives exactly the right set of labels in "
            f"{share(accuracy, 1)}."
        )
    n_labels = len(report.model.labels)
    high = 1.0 if score.interval is None else score.interval.high
    is_below_chance = score.name == "right" and bool(n_labels) and high < 1 / n_labels
    problems = [] if score.beats else [BELOW_CHANCE if is_below_chance else USELESS]
    return (said, *problems, *_scores(report))


def _scores(report: Report) -> tuple[str, ...]:
    named = (
        ("macro F1", metrics.MACRO_F1),
        ("micro F1", metrics.MICRO_F1),
        ("ROC AUC", metrics.ROC_AUC),
    )
    written = [
        f"{name} {with_interval(found.value, found.interval, 3)}"
        for name, of in named
        if (found := report.get(of)) is not None
    ]
    sentence = f"{', '.join(written)}."
    return (sentence[0].upper() + sentence[1:],) if written else ()
