"""How well the model works: what the explanations are explanations of."""

from attn_audit.formats.document import Bullets, Card, Hue, Phrase, Points, Section, Tone
from attn_audit.formats.documents.claims import between, held_number, left_open
from attn_audit.formats.numbers import bracket, counted, number, percent, share
from attn_audit.results.report import Report
from attn_audit.results.summary import Interval, Performance
from attn_audit.results.thresholds import WORKS
from attn_audit.results.verdict import Outcome

UNLABELLED = "no labels, so no accuracy is reported"

USELESS = (
    "The model does not measurably beat that answer, and explanations of a model that does not "
    "work explain nothing."
)


def section(report: Report) -> Section:
    """Its accuracy beside the most frequent answer's, and the other scores."""
    sentences = tuple(
        Phrase(sentence, Tone.WARNING if sentence == USELESS else Tone.PLAIN)
        for sentence in answer(report.performance)
    )
    return Section("model", "How well the model works", (Bullets(sentences),), short="Model")


def card(report: Report) -> Card:
    """The same at a glance."""
    found = report.performance
    return Card(
        id="model",
        name="Model",
        question="Does the model work?",
        verdict=verdict(report),
        lines=in_short(found),
        picture=None if found is None else _accuracy(found),
    )


def _accuracy(found: Performance) -> Points | None:
    if found.accuracy.share is None:
        return None
    return Points(
        rows=(
            ("model", found.accuracy.share, found.accuracy.interval, Hue.GRADIENT),
            ("most frequent", found.majority_share, None, Hue.YARDSTICK),
        ),
        limits=(0.0, 1.0),
        ends=("0%", "100%"),
        said=f"Model {percent(found.accuracy.share)}, "
        f"most frequent answer {percent(found.majority_share)}",
    )


def verdict(report: Report) -> str:
    """Whether the model does what it is for."""
    found = report.performance
    if found is None or found.accuracy.share is None:
        return "Not known: the data has no labels."
    if found.roc_auc is None:
        return "Open: no label has both texts with it and texts without it, to tell them apart."
    area, interval = found.roc_auc, found.roc_auc_interval
    match held_number("min", WORKS, area, interval, found.n):
        case Outcome.PASS:
            return _beats(found)
        case Outcome.FAIL:
            return "No: it hardly tells the labels apart."
        case Outcome.INCONCLUSIVE:
            said = f"ROC AUC {between(area, interval)}"
            return left_open("performance", report, found.n, said)


def _beats(found: Performance) -> str:
    if beats_majority(found):
        return (
            "Yes: it tells the labels apart, and is right more often than the most frequent answer "
            "alone would be."
        )
    return (
        "In part: it tells the labels apart, but is not measurably right more often than the most "
        "frequent answer alone would be."
    )


def in_short(performance: Performance | None) -> tuple[str, ...]:
    """How often the model is right, and what it must beat, in short lines."""
    if performance is None or performance.accuracy.share is None:
        return (UNLABELLED,)
    beats = "" if beats_majority(performance) else " - not measurably beaten"
    area = performance.roc_auc
    apart = () if area is None else (f"ROC AUC {_written(area, performance.roc_auc_interval)}",)
    return (
        f"right in {share(performance.accuracy, 1)} of the examples",
        f"the most frequent answer alone: {percent(performance.majority_share, 1)}{beats}",
        *apart,
    )


def answer(performance: Performance | None) -> tuple[str, ...]:
    """How well the model works, in sentences; None where the data has no labels."""
    if performance is None or performance.accuracy.share is None:
        return (
            "The data has no labels, so no accuracy is reported: how well the model works is "
            "unknown here, and explanations of a model that does not work explain nothing.",
        )
    is_multilabel = performance.is_multilabel
    right = "gives exactly the right set of labels" if is_multilabel else "is right"
    accuracy = (
        f"The model {right} in {share(performance.accuracy, 1)} of "
        f"{counted(performance.n, 'labelled example')}; always giving the most frequent answer "
        f"would be right in {percent(performance.majority_share, 1)}."
    )
    sentences = [accuracy] if beats_majority(performance) else [accuracy, USELESS]
    return (*sentences, *_scores(performance))


def beats_majority(performance: Performance) -> bool:
    """Whether the accuracy's interval lies above what the most frequent answer reaches."""
    interval = performance.accuracy.interval
    return interval is not None and interval.low > performance.majority_share


def _written(value: float, interval: Interval | None) -> str:
    return f"{number(value, 3)} {bracket(interval, 3)}".rstrip()


def _scores(performance: Performance) -> tuple[str, ...]:
    named = (
        ("macro F1", performance.macro_f1, performance.macro_f1_interval),
        ("micro F1", performance.micro_f1, performance.micro_f1_interval),
        ("ROC AUC", performance.roc_auc, performance.roc_auc_interval),
    )
    written = [
        f"{name} {_written(value, interval)}"
        for name, value, interval in named
        if value is not None
    ]
    sentence = f"{', '.join(written)}."
    return (sentence[0].upper() + sentence[1:],) if written else ()
