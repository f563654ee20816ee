"""How well the model works: what the explanations are explanations of."""

from attn_audit.document import Bullets, Card, Hue, Phrase, Points, Section, Tone
from attn_audit.findings import performance as metrics
from attn_audit.findings.rule import Outcome, held_number, left_open
from attn_audit.findings.thresholds import WORKS
from attn_audit.numbers import counted, percent, share, with_interval
from attn_audit.results.report import Report

CARD = "model"
"""And section."""

UNLABELLED = "no labels, so no accuracy is reported"

USELESS = (
    "The model does not measurably beat that answer, and explanations of a model that does not "
    "work explain nothing."
)


def section(report: Report) -> Section:
    """Its accuracy beside the most frequent answer's, and the other scores."""
    sentences = tuple(
        Phrase(sentence, Tone.WARNING if sentence == USELESS else Tone.PLAIN)
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
        picture=_accuracy(report),
    )


def _accuracy(report: Report) -> Points | None:
    found = report.get(metrics.ACCURACY)
    if found is None or found.share is None:
        return None
    majority = report[metrics.MAJORITY_SHARE].value
    return Points(
        rows=(
            ("model", found.share, found.interval, Hue.GRADIENT),
            ("most frequent", majority, None, Hue.YARDSTICK),
        ),
        limits=(0.0, 1.0),
        ends=("0%", "100%"),
        said=f"Model {percent(found.share)}, most frequent answer {percent(majority)}",
    )


def verdict(report: Report) -> str:
    """Whether the model does what it is for."""
    accuracy, area = report.get(metrics.ACCURACY), report.get(metrics.ROC_AUC)
    if accuracy is None or accuracy.share is None:
        return "Not known: the data has no labels."
    if area is None:
        return "Open: no label has both texts with it and texts without it, to tell them apart."
    match held_number("min", WORKS, area.value, area.interval, area.n or 0):
        case Outcome.PASS:
            return _beats(report)
        case Outcome.FAIL:
            return "No: it hardly tells the labels apart."
        case Outcome.INCONCLUSIVE:
            said = f"ROC AUC {with_interval(area.value, area.interval)}"
            return left_open("performance", report, area.n or 0, said)


def _beats(report: Report) -> str:
    if beats_majority(report):
        return (
            "Yes: it tells the labels apart, and is right more often than the most frequent answer "
            "alone would be."
        )
    return (
        "In part: it tells the labels apart, but is not measurably right more often than the most "
        "frequent answer alone would be."
    )


def in_short(report: Report) -> tuple[str, ...]:
    """How often the model is right, and what it must beat, in short lines."""
    accuracy, area = report.get(metrics.ACCURACY), report.get(metrics.ROC_AUC)
    if accuracy is None or accuracy.share is None:
        return (UNLABELLED,)
    beats = "" if beats_majority(report) else " - not measurably beaten"
    majority = percent(report[metrics.MAJORITY_SHARE].value, 1)
    return (
        f"right in {share(accuracy, 1)} of the examples",
        f"the most frequent answer alone: {majority}{beats}",
        *([] if area is None else [f"ROC AUC {with_interval(area.value, area.interval, 3)}"]),
    )


def answer(report: Report) -> tuple[str, ...]:
    """How well the model works, in sentences."""
    accuracy = report.get(metrics.ACCURACY)
    if accuracy is None or accuracy.share is None:
        return (
            "The data has no labels, so no accuracy is reported: how well the model works is "
            "unknown here, and explanations of a model that does not work explain nothing.",
        )
    is_multilabel = report.model.task == "multilabel"
    right = "gives exactly the right set of labels" if is_multilabel else "is right"
    sentence = (
        f"The model {right} in {share(accuracy, 1)} of {counted(accuracy.n, 'labelled example')}; "
        "always giving the most frequent answer would be right in "
        f"{percent(report[metrics.MAJORITY_SHARE].value, 1)}."
    )
    sentences = [sentence] if beats_majority(report) else [sentence, USELESS]
    return (*sentences, *_scores(report))


def beats_majority(report: Report) -> bool:
    """Whether the accuracy's interval lies above what the most frequent answer reaches."""
    interval = report[metrics.ACCURACY].interval
    return interval is not None and interval.low > report[metrics.MAJORITY_SHARE].value


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
